{{/* The pod with which `helm test` checks that a controller of the release works. */}}
{{- define "moorage.check" -}}
{{- if .Values.test.enabled -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "moorage.name" (list . "-check") }}
  namespace: {{ include "moorage.namespace" . }}
  {{- include "moorage.hookMetadata" . | nindent 2 }}
spec:
  restartPolicy: Never
  {{- include "moorage.podSpec" . | nindent 2 }}
  containers:
    {{- include "moorage.container" (dict "context" . "args" (list "check")) | nindent 4 }}
  {{- include "moorage.volumes" . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "moorage.hookMetadata" -}}
{{- $metadata := include "moorage.podMetadata" (list . "check") | fromYaml -}}
{{- $hook := dict "helm.sh/hook" "test" "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded" -}}
{{- toYaml (merge (dict "annotations" $hook) $metadata) -}}
{{- end -}}
