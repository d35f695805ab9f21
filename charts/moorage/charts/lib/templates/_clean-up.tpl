{{/*
The Job of the clean-up: dict "context" . "args" list.

It is no hook, so that it runs wherever it is applied, and also when the release is gone.
*/}}
{{- define "moorage.cleanUpJob" -}}
{{- $context := .context -}}
{{- $values := $context.Values -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "moorage.metadata" (list $context "-clean-up") | nindent 2 }}
spec:
  activeDeadlineSeconds: {{ $values.cleanUp.activeDeadlineSeconds }}
  backoffLimit: 3
  template:
    metadata:
      {{- include "moorage.podMetadata" (list $context "clean-up") | nindent 6 }}
    spec:
      restartPolicy: Never
      {{- include "moorage.podSpec" $context | nindent 6 }}
      terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
      containers:
        {{- include "moorage.container" . | nindent 8 }}
      {{- include "moorage.volumes" $context | nindent 6 }}
{{- end -}}
