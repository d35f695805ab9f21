{{/* The image, by digest where one is given. */}}
{{- define "moorage.image" -}}
{{- $image := .Values.image -}}
{{- $registry := $image.registry | default (.Values.global | default dict).imageRegistry -}}
{{- $name := $image.repository -}}
{{- if $registry }}{{ $name = printf "%s/%s" (trimSuffix "/" $registry) $name }}{{ end -}}
{{- $tagged := printf "%s:%s" $name ($image.tag | default .Chart.AppVersion) -}}
{{- ternary (printf "%s@%s" $name $image.digest) $tagged (not (empty $image.digest)) -}}
{{- end -}}

{{/* The settings as variables; an empty one is left to the controller. */}}
{{- define "moorage.settings" -}}
{{- $all := (.Values.global | default dict).logFormat | default "" -}}
{{- $config := ternary (merge (dict "logFormat" $all) .Values.config) .Values.config (ne $all "") -}}
{{- range $key, $value := $config }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
- name: MOORAGE_{{ $key | snakecase | upper }}
  value: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The port and the probes of a controller that runs for ever. */}}
{{- define "moorage.probes" -}}
ports:
  - {name: metrics, containerPort: {{ .Values.config.metricsPort }}, protocol: TCP}
  {{- with include "moorage.webhookPort" . }}
  - {name: webhook, containerPort: {{ . }}, protocol: TCP}
  {{- end }}
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}
