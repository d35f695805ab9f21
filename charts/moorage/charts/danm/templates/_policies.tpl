{{/* What of the metadata of DANM's objects is compared. */}}
{{- define "moorage.danm.metadataVariables" -}}
- {name: annotationsBefore, expression: "oldObject.?metadata.?annotations.orValue({})"}
- {name: annotationsAfter, expression: "object.?metadata.?annotations.orValue({})"}
- {name: finalizersBefore, expression: "oldObject.?metadata.?finalizers.orValue([])"}
- {name: finalizersAfter, expression: "object.?metadata.?finalizers.orValue([])"}
{{- end -}}

{{/* Only one annotation and our own finalizer may change: list ANNOTATION WHAT. */}}
{{- define "moorage.danm.metadataValidations" -}}
- expression: >-
    variables.annotationsBefore.all(key, key in variables.annotationsAfter)
    && variables.annotationsAfter.all(key, key == '{{ first . }}' || key in variables.annotationsBefore
    && variables.annotationsAfter[key] == variables.annotationsBefore[key])
    && object.?metadata.?labels.orValue({}) == oldObject.?metadata.?labels.orValue({})
    && object.?metadata.?ownerReferences.orValue([]) == oldObject.?metadata.?ownerReferences.orValue([])
    && variables.finalizersAfter.filter(one, one != 'moorage.dev/danm-reclaim')
    == variables.finalizersBefore.filter(one, one != 'moorage.dev/danm-reclaim')
  message: moorage-danm may only write {{ first . }} into the metadata of {{ last . }}
{{- end -}}

{{/* An admission service asks for an address by one annotation, and changes nothing else. */}}
{{- define "moorage.danm.demandPolicy" -}}
matchConstraints:
  resourceRules:
    - {apiGroups: [danm.io, danm.k8s.io], apiVersions: ["*"], operations: [UPDATE], resources: [danmeps]}
variables:
  {{- include "moorage.danm.metadataVariables" . | nindent 2 }}
validations:
  - expression: object.spec == oldObject.spec && variables.finalizersAfter == variables.finalizersBefore
    message: the admission service of moorage-danm may only ask for an endpoint's addresses
  {{- include "moorage.danm.metadataValidations" (list "moorage.dev/danm-wanted" "an endpoint") | nindent 2 }}
{{- end -}}
