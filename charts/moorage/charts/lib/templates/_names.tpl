{{/* A text as a label's value or a DNS label: what had to be cut ends with a hash of the whole. */}}
{{- define "moorage.cut" -}}
{{- $clean := . | replace "." "-" -}}
{{- if or (ne $clean .) (gt (len $clean) 63) -}}
{{- printf "%s-%s" (trunc 54 $clean | trimSuffix "-") (sha256sum . | trunc 8) -}}
{{- else -}}
{{- $clean -}}
{{- end -}}
{{- end -}}

{{/* The part, also where it has an alias: external-ip. */}}
{{- define "moorage.part" -}}
{{- .Chart.Name | kebabcase -}}
{{- end -}}

{{/* What the names of all parts begin with. */}}
{{- define "moorage.base" -}}
{{- $global := .Values.global | default dict -}}
{{- $name := $global.nameOverride | default "moorage" -}}
{{- $release := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- $global.fullnameOverride | default $release -}}
{{- end -}}

{{/* The name of a part's objects with an ending: list . "-metrics". */}}
{{- define "moorage.name" -}}
{{- $context := first . -}}
{{- $part := $context.Values.nameOverride | default (include "moorage.part" $context) -}}
{{- $name := $context.Values.fullnameOverride | default (printf "%s-%s" (include "moorage.base" $context) $part) -}}
{{- include "moorage.cut" (printf "%s%s" $name (last .)) -}}
{{- end -}}

{{- define "moorage.fullname" -}}
{{- include "moorage.name" (list . "") -}}
{{- end -}}

{{/* The name of what is in no namespace: no namespace has a dot, so no two releases share one. */}}
{{- define "moorage.clusterName" -}}
{{- printf "%s.%s" (include "moorage.namespace" (first .)) (include "moorage.name" .) -}}
{{- end -}}

{{- define "moorage.namespace" -}}
{{- .Values.namespaceOverride | default (.Values.global | default dict).namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{- define "moorage.serviceAccount" -}}
{{- $own := ternary (include "moorage.fullname" .) "default" .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default $own -}}
{{- end -}}
