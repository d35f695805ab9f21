{{/* What the pods of machine-ipam have beside what all have: the file about Machines. */}}
{{- define "moorage.machine-ipam.pod" -}}
{{- if .Values.hookConfig -}}
{{- $certificate := dict -}}
{{- if .Values.config.webhookMachines }}
{{- $certificate = include "moorage.webhookCertificate" .Values.webhook | fromYaml }}
webhookPort: {{ .Values.config.webhookPort }}
{{- end }}
env:
  - {name: MOORAGE_HOOK_CONFIG, value: /etc/moorage/machines/ipam-config.yaml}
  {{- if .Values.config.webhookMachines }}
  - {name: MOORAGE_WEBHOOK_NAME, value: {{ include "moorage.name" (list . "-webhook") }}}
  {{- end }}
  {{- with $certificate.env }}{{ toYaml . | nindent 2 }}{{ end }}
volumeMounts:
  # The whole folder: a single file would never change.
  - {name: machines, mountPath: /etc/moorage/machines, readOnly: true}
  {{- with $certificate.volumeMounts }}{{ toYaml . | nindent 2 }}{{ end }}
volumes:
  - name: machines
    configMap: {name: {{ include "moorage.name" (list . "-machines") }}}
  {{- with $certificate.volumes }}{{ toYaml . | nindent 2 }}{{ end }}
{{- else if .Values.config.webhookMachines -}}
{{- fail "machineIpam.config.webhookMachines gives addresses of machineIpam.hookConfig: set that, too" -}}
{{- end }}
{{- end -}}

{{/* Whether there are Machines that it reads, or takes hooks off. */}}
{{- define "moorage.machine-ipam.machines" -}}
{{- if or .Values.hookConfig .Values.config.watchMachines .Values.cleanUp.enabled }}true{{ end -}}
{{- end -}}
