{{- define "moorage.lease" -}}
{{- .Values.config.leaseName | default (printf "moorage-%s" (include "moorage.part" .)) -}}
{{- end -}}

{{/* A rule about Leases is narrowed to the one in use; a create request has no name to be told by. */}}
{{- define "moorage.namedRules" -}}
{{- if has "leases" .rule.resources -}}
{{- $create := dict "apiGroups" .rule.apiGroups "resources" .rule.resources "verbs" (list "create") -}}
{{- $named := dict "resourceNames" (list .lease) "verbs" (without .rule.verbs "create") -}}
{{- toYaml (list $create (merge $named .rule)) -}}
{{- else -}}
{{- toYaml (list .rule) -}}
{{- end -}}
{{- end -}}
