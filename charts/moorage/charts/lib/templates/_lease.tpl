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
A rule about Leases or Secrets is narrowed to the one in use: dict "rule" . "context" CONTEXT.

A create request has no name to be told by, and what is listed is read under any name. A process without an election has
no Lease that we could name.
*/}}
{{- define "moorage.namedRules" -}}
{{- $secret := printf "%s-tls" (include "moorage.webhookName" .context) -}}
{{- $names := dict "secrets" $secret -}}
{{- if hasKey .context.Values.config "leaseName" }}{{ $_ := set $names "leases" (include "moorage.lease" .context) }}{{ end -}}
{{- $name := get $names (first .rule.resources) -}}
{{- if $name -}}
{{- $any := ternary (list "create" "get" "list" "watch") (list "create") (has "list" .rule.verbs) -}}
{{- $named := list -}}
{{- range .rule.verbs }}{{ if not (has . $any) }}{{ $named = append $named . }}{{ end }}{{ end -}}
{{- $all := dict "apiGroups" .rule.apiGroups "resources" .rule.resources "verbs" $any -}}
{{- toYaml (list $all (merge (dict "resourceNames" (list $name) "verbs" $named) .rule)) -}}
{{- else -}}
{{- toYaml (list .rule) -}}
{{- end -}}
{{- end -}}
