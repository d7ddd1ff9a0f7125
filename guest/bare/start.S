/*
 * From the loader to C. The machine starts here by its PVH note (Xen's PHYS32_ENTRY), in 32-bit protected
 * mode without paging, ebx pointing to the start information; other vCPUs start at `trampoline`, copied
 * below 1 MiB, in real mode. Both go to 64-bit mode with the first 4 GiB mapped as they are.
 */
	.section .note.pvh, "a", @note
	.balign 4
	.long 4			/* bytes of the name */
	.long 4			/* bytes of what it says */
	.long 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long start32

	.set CODE64, 0x08
	.set DATA, 0x10
	.set CODE32, 0x18

	.section .text
	.code32
	.globl start32
start32:
	movl $boot_stack_end, %esp
	movl %ebx, %ebp
	call map_low_memory
	movl $start64, %edi
	jmp enter_long_mode

/* 4 GiB in pages of 2 MiB: present, writable. */
map_low_memory:
	movl $page_directories, %edi
	movl $0x83, %eax
	movl $2048, %ecx
1:	movl %eax, (%edi)
	addl $0x200000, %eax
	addl $8, %edi
	loop 1b
	movl $page_directories + 3, %eax
	movl $page_directory_pointers, %edi
	movl $4, %ecx
1:	movl %eax, (%edi)
	addl $0x1000, %eax
	addl $8, %edi
	loop 1b
	movl $page_directory_pointers + 3, page_map
	ret

/* On to the address in edi. ebp and esp are kept. */
enter_long_mode:
	movl %cr4, %eax
	orl $0x20, %eax		/* PAE */
	movl %eax, %cr4
	movl $page_map, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx	/* EFER */
	rdmsr
	orl $0x100, %eax	/* LME */
	wrmsr
	movl %cr0, %eax
	orl $0x80000001, %eax	/* PG, PE */
	movl %eax, %cr0
	lgdt gdt_pointer
	ljmp $CODE64, $1f
	.code64
1:	movl $DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %edi, %edi
	jmp *%rdi

start64:
	movl $boot_stack_end, %esp
	movl %ebp, %edi
	call bare_main
1:	hlt
	jmp 1b

/* ---- other vCPUs ---- */

	.code16
	.globl trampoline, trampoline_end
trampoline:
	cli
	movw %cs, %ax
	movw %ax, %ds
	lgdtl trampoline_gdt_pointer - trampoline
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $CODE32, $other32
	.balign 4
trampoline_gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
trampoline_end:

	.code32
other32:
	movw $DATA, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl $other64, %edi
	jmp enter_long_mode

	.code64
other64:
	movl $other_stack_end, %esp
	call other_main
1:	hlt
	jmp 1b

/* ---- exceptions: the vector on the stack, and an error code where the processor puts none ---- */

	.altmacro
	.macro exception_entry vector
exception_\vector:
	.if !(\vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17 || \vector == 21 || \vector == 29 || \vector == 30)
	pushq $0
	.endif
	pushq $\vector
	jmp exception_common
	.endm
	.macro exception_address vector
	.quad exception_\vector
	.endm

	.set vector, 0
	.rept 32
	exception_entry %vector
	.set vector, vector + 1
	.endr

exception_common:
	movq %rsp, %rdi
	andq $-16, %rsp
	cld
	call exception_report
1:	hlt
	jmp 1b

	.section .rodata
	.globl exception_entries
exception_entries:
	.set vector, 0
	.rept 32
	exception_address %vector
	.set vector, vector + 1
	.endr

	.balign 8
gdt:	.quad 0
	.quad 0x00af9b000000ffff	/* CODE64 */
	.quad 0x00cf93000000ffff	/* DATA */
	.quad 0x00cf9b000000ffff	/* CODE32 */
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt

	.section .bss
	.balign 4096
page_map:
	.skip 4096
page_directory_pointers:
	.skip 4096
page_directories:
	.skip 4 * 4096
	.skip 16384
boot_stack_end:
	.skip 16384
other_stack_end:

	.section .note.GNU-stack, "", @progbits
