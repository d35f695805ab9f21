{{/* What the core controller's pods have beside what all have: taints, and how to reach the clouds. */}}
{{- define "moorage.core.pod" -}}
{{- $clouds := .Values.clouds -}}
env:
  {{- with .Values.policies }}
  - name: MOORAGE_SETTLED_TAINTS
    value: {{ join "," .settledTaints | quote }}
  {{- end }}
  {{- include "moorage.core.variables" (dict
    "MOORAGE_STATUS_KEY_SECRET" (printf "%s/%s" (include "moorage.namespace" .) (include "moorage.name" (list . "-status-key")))
    "AWS_REGION" $clouds.aws.region
    "AWS_ENDPOINT_URL_EC2" $clouds.aws.endpoint
    "MOORAGE_GCP_PROJECT" $clouds.gcp.project
    "MOORAGE_GCP_INTERFACE" $clouds.gcp.interface
    "MOORAGE_GCP_ENDPOINT" $clouds.gcp.endpoint
    "AZURE_SUBSCRIPTION_ID" $clouds.azure.subscriptionId
    "MOORAGE_AZURE_RESOURCE_GROUPS" (join "," $clouds.azure.resourceGroups)
    "MOORAGE_AZURE_CLOUD" $clouds.azure.cloud
    "MOORAGE_AZURE_ENDPOINT" $clouds.azure.endpoint
  ) | nindent 2 }}
  {{- include "moorage.core.secrets" (list $clouds.aws.existingSecret "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" "AWS_SESSION_TOKEN") | nindent 2 }}
  {{- include "moorage.core.secrets" (list $clouds.azure.existingSecret "AZURE_TENANT_ID" "AZURE_CLIENT_ID" "AZURE_CLIENT_SECRET") | nindent 2 }}
  {{- if $clouds.gcp.existingSecret }}
  - name: GOOGLE_APPLICATION_CREDENTIALS
    value: /var/run/secrets/moorage/gcp/credentials.json
volumeMounts:
  - {name: gcp-credentials, mountPath: /var/run/secrets/moorage/gcp, readOnly: true}
volumes:
  - name: gcp-credentials
    secret: {secretName: {{ $clouds.gcp.existingSecret }}, items: [{key: credentials.json, path: credentials.json}]}
  {{- end }}
{{- end -}}

{{/* Variables by name; those without a value are left out. */}}
{{- define "moorage.core.variables" -}}
{{- range $name, $value := . }}
{{- if $value }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Variables from the keys of a Secret: list NAME KEY ...; a session's token may be missing. */}}
{{- define "moorage.core.secrets" -}}
{{- $secret := first . -}}
{{- if $secret }}
{{- range rest . }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}, optional: {{ hasSuffix "SESSION_TOKEN" . }}}}
{{- end }}
{{- end }}
{{- end -}}
