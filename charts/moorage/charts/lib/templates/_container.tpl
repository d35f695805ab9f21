{{/*
The container and the volumes of every pod: dict "context" . "args" list.

What a part adds is YAML that its template "moorage.PART.pod" makes: env, volumes, volumeMounts,
webhookPort where it serves webhooks, and command and args where the part's name does not say them.
*/}}
{{- define "moorage.container" -}}
{{- $context := .context -}}
{{- $part := include "moorage.part" $context -}}
{{- $own := include (printf "moorage.%s.pod" $part) $context | fromYaml -}}
{{- $values := $context.Values -}}
- name: {{ $part }}
  image: {{ include "moorage.image" $context }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  command: {{ $own.command | default (list (printf "moorage-%s" $part)) | toJson }}
  {{- with .args | default $own.args }}
  args: {{ toJson . }}
  {{- end }}
  env:
    - name: POD_NAME
      valueFrom: {fieldRef: {fieldPath: metadata.name}}
    - name: POD_NAMESPACE
      valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
    {{- include "moorage.settings" $context | indent 4 }}
    {{- with concat ($own.env | default list) $values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  terminationMessagePolicy: FallbackToLogsOnError
  securityContext:
    {{- toYaml $values.securityContext | nindent 4 }}
  resources:
    {{- toYaml $values.resources | nindent 4 }}
  {{- with concat ($own.volumeMounts | default list) $values.extraVolumeMounts }}
  volumeMounts:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
