{{/* What the pods of the controller have beside what all have: the word that says what they run. */}}
{{- define "moorage.danm.pod" -}}
args: [controller]
{{- end -}}

{{/* The same of the admission service. */}}
{{- define "moorage.danm-webhook.pod" -}}
{{- $certificate := include "moorage.webhookCertificate" .Values.webhook | fromYaml -}}
command: [moorage-danm]
args: [webhook]
webhookPort: {{ .Values.webhook.config.webhookPort }}
env:
  - {name: MOORAGE_WEBHOOK_NAME, value: {{ include "moorage.webhookName" . }}}
  {{- with $certificate.env }}{{ toYaml . | nindent 2 }}{{ end }}
{{- with $certificate.volumeMounts }}
volumeMounts:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $certificate.volumes }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The values of the admission service: those of the part, with its own in their places. */}}
{{- define "moorage.danm.webhookValues" -}}
{{- $webhook := .Values.webhook -}}
{{- $own := pick $webhook "replicas" "serviceAccount" "resources" "config" -}}
{{- $priority := $webhook.priorityClassName | default .Values.priorityClassName -}}
{{- $own = set $own "priorityClassName" $priority -}}
{{- range $key := list "nameOverride" "fullnameOverride" }}
{{- with get $.Values $key }}{{ $_ := set $own $key (printf "%s-webhook" .) }}{{ end }}
{{- end }}
{{- toYaml (merge $own (omit .Values "config" "resources" "serviceAccount")) -}}
{{- end -}}
