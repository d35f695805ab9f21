{{/* The pods of external-ip have nothing beside what all have. */}}
{{- define "moorage.external-ip.pod" -}}
{{- end -}}

{{/* metadata of an object in the namespace of the agents: list . NAMESPACE. */}}
{{- define "moorage.external-ip.agents" -}}
name: {{ include "moorage.name" (list (first .) "-agents") }}
namespace: {{ last . }}
labels:
  {{- include "moorage.labels" (first .) | nindent 2 }}
{{- end -}}
