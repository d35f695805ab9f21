{{/*
A ValidatingAdmissionPolicy with its binding.

dict "context" . "ending" "-nodes" "spec" TEXT; without "anyone" it concerns the ServiceAccount only.
*/}}
{{- define "moorage.policy" -}}
{{- $names := list .context .ending -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  {{- include "moorage.clusterMetadata" $names | nindent 2 }}
spec:
  failurePolicy: Fail
  {{- if not .anyone }}
  matchConditions:
    - name: controller
      expression: request.userInfo.username == '{{ include "moorage.username" .context }}'
  {{- end }}
  {{- .spec | nindent 2 }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  {{- include "moorage.clusterMetadata" $names | nindent 2 }}
spec:
  policyName: {{ include "moorage.clusterName" $names }}
  validationActions: [Deny]
{{- end -}}

{{- define "moorage.username" -}}
{{- printf "system:serviceaccount:%s:%s" (include "moorage.namespace" .) (include "moorage.serviceAccount" .) -}}
{{- end -}}
