{{- define "moorage.podMonitor" -}}
{{- if .Values.podMonitor.enabled -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  {{- include "moorage.metadata" (list . "") | nindent 2 }}
    {{- include "moorage.more" .Values.podMonitor.labels | nindent 4 }}
spec:
  jobLabel: app.kubernetes.io/name
  selector:
    matchLabels:
      {{- include "moorage.controllerSelector" . | nindent 6 }}
  podMetricsEndpoints:
    - {port: metrics, path: /metrics, interval: {{ .Values.podMonitor.interval }}}
{{- end -}}
{{- end -}}

{{- define "moorage.serviceMonitor" -}}
{{- if .Values.serviceMonitor.enabled -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "moorage.metadata" (list . "-metrics") | nindent 2 }}
    app.kubernetes.io/component: metrics
spec:
  clusterIP: None
  selector:
    {{- include "moorage.controllerSelector" . | nindent 4 }}
  ports:
    - {name: metrics, port: {{ .Values.config.metricsPort }}, targetPort: metrics, protocol: TCP}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  {{- include "moorage.metadata" (list . "") | nindent 2 }}
    {{- include "moorage.more" .Values.serviceMonitor.labels | nindent 4 }}
spec:
  jobLabel: app.kubernetes.io/name
  selector:
    matchLabels:
      {{- include "moorage.selector" . | nindent 6 }}
      app.kubernetes.io/component: metrics
  endpoints:
    - {port: metrics, path: /metrics, interval: {{ .Values.serviceMonitor.interval }}}
{{- end -}}
{{- end -}}

{{/* More entries of a mapping, or none. */}}
{{- define "moorage.more" -}}
{{- if . }}{{ toYaml . }}{{ end -}}
{{- end -}}
