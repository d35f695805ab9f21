{{/* A line of the notes about a part: list NAME KEY VALUES TEXT. */}}
{{- define "moorage.noted" -}}
{{- $part := index . 2 }}
{{- if $part.enabled }}
- {{ index . 0 }}: {{ last . }}{{ if (dig "config" "dryRun" false $part) }} (dry run: it only says what it would do){{ end }}
{{- else }}
- {{ index . 0 }}: off ({{ index . 1 }}.enabled)
{{- end }}
{{ end -}}
{{/* What to do with a part that is on: list VALUES TEXT COMMAND. */}}
{{- define "moorage.then" -}}
{{- if (first .).enabled }}
{{ index . 1 }}:

  {{ last . }}
{{ end -}}
{{ end -}}
