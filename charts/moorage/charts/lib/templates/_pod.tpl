{{/* All of a pod but its container and volumes, for the controller, tests and Jobs alike. */}}
{{- define "moorage.podSpec" -}}
serviceAccountName: {{ include "moorage.serviceAccount" . }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- with concat ((.Values.global | default dict).imagePullSecrets | default list) .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml (uniq .) | nindent 2 }}
{{- end }}
securityContext:
  {{- include "moorage.present" .Values.podSecurityContext | nindent 2 }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" }}
{{- with get $.Values $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A mapping without what is null: there the cluster chooses. */}}
{{- define "moorage.present" -}}
{{- $present := dict -}}
{{- range $key, $value := . }}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $present $key $value }}{{ end }}
{{- end }}
{{- toYaml $present }}
{{- end -}}

{{/* None by default: an emptyDir would have `kubectl drain` refuse. */}}
{{- define "moorage.volumes" -}}
{{- $own := include (printf "moorage.%s.pod" (include "moorage.part" .)) . | fromYaml -}}
{{- with concat ($own.volumes | default list) .Values.extraVolumes }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
