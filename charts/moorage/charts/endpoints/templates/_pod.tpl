{{/* What the pods of endpoints have beside what all have: where their webhooks are. */}}
{{- define "moorage.endpoints.pod" -}}
{{- if include "moorage.endpoints.webhooks" . }}
{{- $certificate := include "moorage.webhookCertificate" .Values.webhook | fromYaml }}
webhookPort: {{ .Values.config.webhookPort }}
env:
  - {name: MOORAGE_WEBHOOK_NAME, value: {{ include "moorage.name" (list . "-webhook") }}}
  {{- with $certificate.env }}{{ toYaml . | nindent 2 }}{{ end }}
{{- with $certificate.volumeMounts }}
volumeMounts: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $certificate.volumes }}
volumes: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Whether it serves webhooks. */}}
{{- define "moorage.endpoints.webhooks" -}}
{{- if or .Values.config.webhookServices .Values.config.webhookNads }}true{{ end -}}
{{- end -}}
