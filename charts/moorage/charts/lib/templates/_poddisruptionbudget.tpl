{{- define "moorage.podDisruptionBudget" -}}
{{- if and .Values.podDisruptionBudget.enabled (gt (int .Values.replicas) 1) -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "moorage.metadata" (list . "") | nindent 2 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "moorage.controllerSelector" . | nindent 6 }}
{{- end -}}
{{- end -}}
