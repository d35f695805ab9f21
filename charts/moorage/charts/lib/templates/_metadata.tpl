{{/* By which the pods of a part are found. */}}
{{- define "moorage.selector" -}}
app.kubernetes.io/name: {{ include "moorage.cut" (printf "moorage-%s" (.Values.nameOverride | default (include "moorage.part" .))) }}
app.kubernetes.io/instance: {{ include "moorage.cut" .Release.Name }}
{{- end -}}

{{/* By which the controller's pods are found, and none of a test or Job. */}}
{{- define "moorage.controllerSelector" -}}
{{ include "moorage.selector" . }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "moorage.labels" -}}
{{ include "moorage.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: moorage
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "moorage-%s" (.Chart.Version | replace "+" "_") }}
{{- end -}}

{{/* metadata of an object in the namespace: list . "-ending". */}}
{{- define "moorage.metadata" -}}
name: {{ include "moorage.name" . }}
namespace: {{ include "moorage.namespace" (first .) }}
labels:
  {{- include "moorage.labels" (first .) | nindent 2 }}
{{- end -}}

{{/* metadata of an object in no namespace: list . "-ending". */}}
{{- define "moorage.clusterMetadata" -}}
name: {{ include "moorage.clusterName" . }}
labels:
  {{- include "moorage.labels" (first .) | nindent 2 }}
{{- end -}}

{{/* Labels and annotations of every pod: list . "component". */}}
{{- define "moorage.podMetadata" -}}
{{- $context := first . -}}
labels:
  {{- include "moorage.labels" $context | nindent 2 }}
  app.kubernetes.io/component: {{ last . }}
  {{- with $context.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $context.Values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
