/* NEXTN_DEMO_MODEL is the path of the GGUF file; read-only data, aligned to a cache line. */
  .section .rodata
  .balign 64
  .global nextn_demo_model
  .global nextn_demo_model_end
nextn_demo_model:
  .incbin NEXTN_DEMO_MODEL
nextn_demo_model_end:
  .byte 0
  .section .note.GNU-stack, "", @progbits
