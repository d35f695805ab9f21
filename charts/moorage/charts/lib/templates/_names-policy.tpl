{{/*
Rights to create cannot name an object, so a policy does: dict "context" . "kinds" list, of leases and secrets. Only those
in use are made.
*/}}
{{- define "moorage.namesPolicy" -}}
{{- $known := include "moorage.knownNames" .context | fromYaml -}}
{{- $names := list -}}
{{- range .kinds }}{{ $names = concat $names (get $known .) }}{{ end -}}
{{- $groups := dict "leases" "coordination.k8s.io" "secrets" "" -}}
matchConstraints:
  resourceRules:
    {{- range .kinds }}
    - {apiGroups: [{{ get $groups . | quote }}], apiVersions: ["*"], operations: [CREATE], resources: [{{ . }}]}
    {{- end }}
validations:
  - expression: request.name in {{ include "moorage.celList" $names }}
    message: moorage-{{ include "moorage.part" .context }} may only create {{ join " and " .kinds }} of its own, called {{ join " and " $names }}
{{- end -}}

{{/* Records of addresses: those of a part's own owners, dict "part" NAME "kinds" list "groups" list, of pools. */}}
{{- define "moorage.recordPolicy" -}}
{{- $kinds := include "moorage.celList" .kinds -}}
matchConstraints:
  resourceRules:
    - {apiGroups: [moorage.dev], apiVersions: ["*"], operations: [CREATE, UPDATE, DELETE], resources: [ipallocations]}
variables:
  - {name: before, expression: "request.operation == 'CREATE' ? object : oldObject"}
  - {name: owner, expression: "variables.before.spec.?owner.kind.orValue('')"}
  # What an owner took along has none here any more, and what a person reserved never had one.
  - {name: moved, expression: "variables.before.?metadata.?annotations[?'moorage.dev/moved-owner'].hasValue()"}
validations:
  - expression: >-
      variables.owner in {{ $kinds }} || variables.owner == ''
      && (variables.moved || variables.before.spec.?poolRef.apiGroup.orValue('') in {{ include "moorage.celList" .groups }})
    message: moorage-{{ .part }} may only write IPAllocations of its own owners, which are {{ join " and " .kinds }}
  - expression: request.operation == 'DELETE' || object.spec.?owner.kind.orValue('{{ first .kinds }}') in {{ $kinds }}
    message: moorage-{{ .part }} may give an address to nobody but {{ join " and " .kinds }}
{{- end -}}
