{{/* Through which the API server asks every replica of a part. */}}
{{- define "moorage.webhookService" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "moorage.metadata" (list . (include "moorage.webhookEnding" .)) | nindent 2 }}
spec:
  ports:
    - {name: https, port: 443, targetPort: webhook, protocol: TCP}
  selector:
    {{- include "moorage.controllerSelector" . | nindent 4 }}
{{- end -}}

{{/* The name of that Service; a part that is nothing but webhooks is called so already. */}}
{{- define "moorage.webhookName" -}}
{{- include "moorage.name" (list . (include "moorage.webhookEnding" .)) -}}
{{- end -}}

{{- define "moorage.webhookEnding" -}}
{{- if not (hasSuffix "-webhook" (include "moorage.part" .)) }}-webhook{{ end -}}
{{- end -}}

{{/* The port at which a part serves webhooks, as its template "moorage.PART.pod" says; else nothing. */}}
{{- define "moorage.webhookPort" -}}
{{- with (include (printf "moorage.%s.pod" (include "moorage.part" .)) . | fromYaml).webhookPort }}{{ int . }}{{ end -}}
{{- end -}}

{{/* In the metadata of a webhook's configuration: the values of the webhook. By some cert-manager writes its caBundle. */}}
{{- define "moorage.webhookAnnotations" -}}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* clientConfig of a webhook: dict "context" . "webhook" values. Without a caBundle the part writes it, or whoever the annotations name. */}}
{{- define "moorage.webhookClient" -}}
service:
  namespace: {{ include "moorage.namespace" .context }}
  name: {{ include "moorage.webhookName" .context }}
{{- with .webhook.caBundle }}
caBundle: {{ b64enc . }}
{{- end }}
{{- end -}}

{{/* The certificate of somebody else, in a pod: env, volumeMounts and volumes as YAML; nothing where the part makes its own. */}}
{{- define "moorage.webhookCertificate" -}}
{{- with .certificateSecret -}}
env:
  - {name: MOORAGE_WEBHOOK_CERTIFICATE, value: /etc/moorage/webhook/tls.crt}
  - {name: MOORAGE_WEBHOOK_KEY, value: /etc/moorage/webhook/tls.key}
volumeMounts:
  - {name: webhook, mountPath: /etc/moorage/webhook, readOnly: true}
volumes:
  - name: webhook
    secret: {secretName: {{ . | quote }}}
{{- end }}
{{- end -}}
