{{- define "moorage.serviceAccountObject" -}}
{{- if .Values.serviceAccount.create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "moorage.serviceAccount" . }}
  namespace: {{ include "moorage.namespace" . }}
  labels:
    {{- include "moorage.labels" . | nindent 4 }}
  {{- with .Values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
# Pods that need the token ask for it.
automountServiceAccountToken: false
{{- end -}}
{{- end -}}

{{- define "moorage.subjects" -}}
- kind: ServiceAccount
  name: {{ include "moorage.serviceAccount" . }}
  namespace: {{ include "moorage.namespace" . }}
{{- end -}}
