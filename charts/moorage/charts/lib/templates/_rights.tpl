{{/* The rights of the part, from its files/rbac.yaml. */}}
{{- define "moorage.rights" -}}
{{- include "moorage.rightsOf" (dict "context" . "ending" "" "cluster" "clusterRules" "own" "rules") }}
{{- end -}}

{{/* Rights that are needed only where something is switched on: dict "context" . "what" "webhook". */}}
{{- define "moorage.optionalRights" -}}
{{- include "moorage.rightsOf" (dict "context" .context "ending" (printf "-%s" .what)
  "cluster" (printf "%sClusterRules" .what) "own" (printf "%sRules" .what)) }}
{{- end -}}

{{- define "moorage.rightsOf" -}}
{{- $context := .context -}}
{{- $names := list .context .ending -}}
{{- $rights := .context.Files.Get "files/rbac.yaml" | fromYaml -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  {{- include "moorage.clusterMetadata" $names | nindent 2 }}
rules:
  {{- range get $rights .cluster }}{{ include "moorage.namedRules" (dict "rule" . "context" $context) | nindent 2 }}{{ end }}
---
{{ include "moorage.clusterRoleBinding" $names }}
{{- with get $rights .own }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- include "moorage.leaseMetadata" $names | nindent 2 }}
rules:
  {{- range . }}{{ include "moorage.namedRules" (dict "rule" . "context" $context) | nindent 2 }}{{ end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "moorage.leaseMetadata" $names | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ (include "moorage.leaseMetadata" $names | fromYaml).name }}
subjects:
  {{- include "moorage.subjects" $context | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Binds the ClusterRole of the same name to the part's ServiceAccount: list . "-ending". */}}
{{- define "moorage.clusterRoleBinding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  {{- include "moorage.clusterMetadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ include "moorage.clusterName" . }}
subjects:
  {{- include "moorage.subjects" (first .) | nindent 2 }}
{{- end -}}
