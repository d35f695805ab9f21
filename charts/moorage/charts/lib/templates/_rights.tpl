{{/* The rights of the part, from its files/rbac.yaml. */}}
{{- define "moorage.rights" -}}
{{- $rights := .Files.Get "files/rbac.yaml" | fromYaml -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  {{- include "moorage.clusterMetadata" (list . "") | nindent 2 }}
rules:
  {{- toYaml $rights.clusterRules | nindent 2 }}
---
{{ include "moorage.clusterRoleBinding" (list . "") }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- include "moorage.metadata" (list . "") | nindent 2 }}
rules:
  {{- range $rights.rules }}
  {{- include "moorage.namedRules" (dict "rule" . "lease" (include "moorage.lease" $)) | nindent 2 }}
  {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "moorage.metadata" (list . "") | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "moorage.fullname" . }}
subjects:
  {{- include "moorage.subjects" . | nindent 2 }}
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
