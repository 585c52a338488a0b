/* The files of web/dist, as they are; the assembler finds them by -I. */
    .macro page_file name, path
    .globl \name
    .globl \name\()_end
    .balign 16
\name:
    .incbin "\path"
\name\()_end:
    .byte 0
    .endm

    .section .rodata
    page_file nextn_page_index, index.html
    page_file nextn_page_script, app.js
    page_file nextn_page_style, app.css
    page_file nextn_page_icon, favicon.svg
    page_file nextn_page_licenses, licenses.txt

    .section .note.GNU-stack, "", @progbits
