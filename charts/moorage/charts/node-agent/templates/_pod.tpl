{{/* What the pods of node-agent have beside what all have: the name of their node. */}}
{{- define "moorage.node-agent.pod" -}}
env:
  - name: MOORAGE_NODE_NAME
    valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
{{- end -}}
