{{- define "moorage.lease" -}}
{{- get .Values.config "leaseName" | default (printf "moorage-%s" (include "moorage.part" .)) -}}
{{- end -}}

{{/*
metadata of the Role and its binding: list . "-ending". They are where the Lease is, which may be a namespace that
releases of other namespaces share.
*/}}
{{- define "moorage.leaseMetadata" -}}
{{- $home := get (first .).Values.config "leaseNamespace" -}}
{{- if $home -}}
name: {{ include "moorage.clusterName" . }}
namespace: {{ $home }}
labels:
  {{- include "moorage.labels" (first .) | nindent 2 }}
{{- else -}}
{{- include "moorage.metadata" . }}
{{- end -}}
{{- end -}}

{{/*
A rule about objects whose names are known is narrowed to those: dict "rule" . "context" CONTEXT.

A create request has no name to be told by, and what is listed is read under any name. A process without an election has
no Lease that we could name.
*/}}
{{- define "moorage.namedRules" -}}
{{- $names := get (include "moorage.knownNames" .context | fromYaml) (first .rule.resources) -}}
{{- if $names -}}
{{- $unnamed := ternary (list "create" "get" "list" "watch") (list "create") (has "list" .rule.verbs) -}}
{{- $rules := list -}}
{{- range $parts := list (list true nil) (list false $names) }}
{{- $verbs := list -}}
{{- range $.rule.verbs }}{{ if eq (has . $unnamed) (first $parts) }}{{ $verbs = append $verbs . }}{{ end }}{{ end -}}
{{- $rule := dict "apiGroups" $.rule.apiGroups "resources" $.rule.resources "verbs" $verbs -}}
{{- with last $parts }}{{ $_ := set $rule "resourceNames" . }}{{ end -}}
{{- if $verbs }}{{ $rules = append $rules $rule }}{{ end -}}
{{- end }}
{{- toYaml $rules -}}
{{- else -}}
{{- toYaml (list .rule) -}}
{{- end -}}
{{- end -}}

{{/* Of which objects of a kind the names are known. */}}
{{- define "moorage.knownNames" -}}
{{- $webhook := include "moorage.webhookName" . -}}
{{- $configurations := list $webhook (printf "%s.%s" (include "moorage.namespace" .) $webhook) -}}
{{- $names := dict "secrets" (list (printf "%s-tls" $webhook)) "mutatingwebhookconfigurations" $configurations -}}
{{- if hasKey .Values.config "leaseName" }}{{ $_ := set $names "leases" (list (include "moorage.lease" .)) }}{{ end -}}
{{- toYaml $names -}}
{{- end -}}
