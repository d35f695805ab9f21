{{/* What of an object's metadata is compared, as variables of a policy. */}}
{{- define "moorage.metadataVariables" -}}
- {name: newA, expression: "object.?metadata.?annotations.orValue({})"}
- {name: oldA, expression: "oldObject.?metadata.?annotations.orValue({})"}
- {name: newL, expression: "object.?metadata.?labels.orValue({})"}
- {name: oldL, expression: "oldObject.?metadata.?labels.orValue({})"}
- {name: newF, expression: "object.?metadata.?finalizers.orValue([])"}
- {name: oldF, expression: "oldObject.?metadata.?finalizers.orValue([])"}
{{- end -}}

{{/*
That metadata is as it was, as a condition: dict "annotations" list "labels" list "finalizers" list, of those that may change.

Owners never change: the garbage collector deletes what has lost its owners, so whoever names one that is not there deletes.
*/}}
{{- define "moorage.sameMetadata" -}}
{{- $annotations := include "moorage.celList" .annotations -}}
{{- $labels := include "moorage.celList" .labels -}}
{{- $finalizers := include "moorage.celList" .finalizers -}}
variables.newA.all(k, k in {{ $annotations }} || k in variables.oldA && variables.oldA[k] == variables.newA[k])
&& variables.oldA.all(k, k in {{ $annotations }} || k in variables.newA)
&& variables.newL.all(k, k in {{ $labels }} || k in variables.oldL && variables.oldL[k] == variables.newL[k])
&& variables.oldL.all(k, k in {{ $labels }} || k in variables.newL)
&& variables.newF.filter(f, !(f in {{ $finalizers }})) == variables.oldF.filter(f, !(f in {{ $finalizers }}))
{{- if not .owners }}
&& object.?metadata.?ownerReferences.orValue([]) == oldObject.?metadata.?ownerReferences.orValue([])
{{- end }}
{{- end -}}

{{- define "moorage.celList" -}}
{{- . | default list | toJson | replace "\"" "'" -}}
{{- end -}}

{{/* That all fields of the spec but those of a list are as before, of those that come with later versions of Kubernetes, too. */}}
{{- define "moorage.sameSpecBut" -}}
{{- $fields := include "moorage.celList" . -}}
dyn(object.spec).all(k, k in {{ $fields }} || k in dyn(oldObject.spec) && dyn(oldObject.spec)[k] == dyn(object.spec)[k])
&& dyn(oldObject.spec).all(k, k in {{ $fields }} || k in dyn(object.spec))
{{- end -}}
