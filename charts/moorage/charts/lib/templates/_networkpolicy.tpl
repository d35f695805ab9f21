{{/* For the pods of tests and Jobs, too. */}}
{{- define "moorage.networkPolicy" -}}
{{- if .Values.networkPolicy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "moorage.metadata" (list . "") | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "moorage.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports: [{port: {{ .Values.config.metricsPort }}, protocol: TCP}]
      {{- with .Values.networkPolicy.metricsFrom }}
      from:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- with include "moorage.webhookPort" . }}
    # From anywhere: no selector describes the API server.
    - ports: [{port: {{ . }}, protocol: TCP}]
    {{- end }}
  egress:
    {{- toYaml (.Values.networkPolicy.egress | default (list dict)) | nindent 4 }}
{{- end -}}
{{- end -}}
