{{/* Which Services are served, as variables: of our class or, where it is so, of none; and those with the first version's annotation. */}}
{{- define "moorage.external-ip.served" -}}
- {name: type, expression: "oldObject.spec.?type.orValue('ClusterIP')"}
- {name: class, expression: "oldObject.spec.?loadBalancerClass.orValue('')"}
- {name: auto, expression: "oldObject.?metadata.?annotations[?'external-ip'].orValue('') == 'auto'"}
- name: balanced
  expression: >-
    variables.type == 'LoadBalancer' && (variables.class == '{{ .Values.config.loadBalancerClass }}'
    || variables.class == '' && ({{ .Values.config.serveWithoutClass }} || variables.auto))
- {name: external, expression: "variables.auto && !(variables.type in ['LoadBalancer', 'ExternalName'])"}
- name: marked
  expression: >-
    oldObject.?metadata.?annotations[?'moorage.dev/external-ips'].hasValue()
    || oldObject.?status.?conditions.orValue([]).exists(c, c.type == 'moorage.dev/Addresses')
- {name: served, expression: variables.balanced || variables.external || variables.marked}
{{- end -}}
