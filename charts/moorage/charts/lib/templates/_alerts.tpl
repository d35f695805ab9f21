{{- define "moorage.prometheusRule" -}}
{{- if .Values.prometheusRule.enabled -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  {{- include "moorage.metadata" (list . "") | nindent 2 }}
    {{- include "moorage.more" .Values.prometheusRule.labels | nindent 4 }}
spec:
  {{- $page := printf "runbook_url: %s#" (.Values.prometheusRule.runbookUrl | default "dashboards/README.md") }}
  {{- .Files.Get "files/rules.yaml" | replace "runbook_url: dashboards/README.md#" $page | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "moorage.dashboard" -}}
{{- if .Values.dashboard.enabled -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "moorage.metadata" (list . "-dashboard") | nindent 2 }}
    {{- include "moorage.more" .Values.dashboard.labels | nindent 4 }}
  {{- with .Values.dashboard.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
data:
  moorage-{{ include "moorage.part" . }}.json: |-
    {{- .Files.Get "files/grafana.json" | trim | nindent 4 }}
{{- end -}}
{{- end -}}
