{{/* The daemon as a native sidecar: an item of initContainers. It starts before the trainer, and is stopped after it. */}}
{{- define "pipekit-experiment.sidecar" -}}
{{- $job := .Values.job -}}
{{- $given := dict "context" . "resources" $job.resources "drain" $job.drainSeconds "secret" $job.trackersSecret -}}
{{ include "pipekit-experiment.daemon" $given }}
restartPolicy: Always
lifecycle:
  preStop:
    exec:
      # Waits for the trainer's runs and their sinks, and stops nothing: the kubelet may run this while the trainer
      # still ends.
      command: [pkx, wait, --timeout, {{ .Values.job.waitSeconds | quote }}]
volumeMounts:
  - name: pkx-state
    mountPath: /var/lib/pkx
  - name: pkx-run
    mountPath: /run/pkx
  - name: pkx-tmp
    mountPath: /tmp
{{- end }}

{{/* Environment of the trainer. It never starts a daemon of its own: the last one names no program. */}}
{{- define "pipekit-experiment.trainerEnv" -}}
- name: PKX_STATE_DIR
  value: /var/lib/pkx/state
- name: PKX_RUNTIME_DIR
  value: /run/pkx/run
- name: PKX_DAEMON
  value: /none
{{- end }}

{{/* What the trainer mounts. */}}
{{- define "pipekit-experiment.trainerMounts" -}}
- name: pkx-state
  mountPath: /var/lib/pkx
- name: pkx-run
  mountPath: /run/pkx
{{- end }}

{{/* Volumes of a pod with the sidecar. */}}
{{- define "pipekit-experiment.sidecarVolumes" -}}
- name: pkx-state
  {{- if .Values.job.claim }}
  persistentVolumeClaim:
    claimName: {{ .Values.job.claim | quote }}
  {{- else }}
  # What the trackers have not taken when the pod ends is gone with it.
  emptyDir:
    sizeLimit: 10Gi
  {{- end }}
# The rings of running trainers (8 MiB each): in memory, counted to who writes them.
- name: pkx-run
  emptyDir:
    medium: Memory
    sizeLimit: 256Mi
- name: pkx-tmp
  emptyDir:
    medium: Memory
    sizeLimit: 64Mi
{{- end }}
