{{/* How the API server is told to ask: the context of the admission service. */}}
{{- define "moorage.danm.configuration" -}}
{{- $asked := .Files.Get "files/webhooks.yaml" | fromYaml -}}
{{- $mode := ternary "sync" "advise" (eq .Values.webhook.config.mode "sync") -}}
{{- $client := include "moorage.webhookClient" (dict "context" . "webhook" .Values.webhook) | fromYaml -}}
{{- $namespace := include "moorage.namespace" . -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  {{- include "moorage.clusterMetadata" (list . "") | nindent 2 }}
  {{- include "moorage.webhookAnnotations" .Values.webhook | indent 2 }}
webhooks:
  {{- range get $asked $mode }}
  {{- $own := dict "key" "kubernetes.io/metadata.name" "operator" "NotIn" "values" (list "kube-system" "kube-public" $namespace) }}
  {{- $selector := dict "matchExpressions" (list $own) }}
  {{- $webhook := mergeOverwrite (dict) . (dict "clientConfig" $client) }}
  - {{- toYaml (set $webhook "namespaceSelector" $selector) | nindent 4 }}
  {{- end }}
{{- end -}}
