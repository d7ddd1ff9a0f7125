/*
 * A guest of a few hundred bytes: an ELF file that is entered as PVH says (32-bit, ebx points to hvm_start_info).
 * The first letter of its command line says what it does; see below. It says "ok" or "no" on the serial port
 * where there is something to be found out, and turns itself off.
 */
#define SERIAL 0x3f8
#define SCRATCH (SERIAL + 7)
#define POWER 0x600
#define RESET (POWER + 2)
#define OFF 0x34		/* SLP_EN | SLP_TYP 5 */
#define NOBODY 0xd0000000	/* within PCI's window */
#define COMMAND_LINE 24		/* of hvm_start_info */

	.section .note.Xen, "a", @note
	.align 4
	.long 4, 8, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.quad entry

	.text
	.code32
	.globl entry
entry:
	cli
	mov $stack_end, %esp
	mov COMMAND_LINE(%ebx), %esi
	mov (%esi), %al
	mov $actions, %esi
find:
	cmpb $0, (%esi)
	je say_no
	cmpb %al, (%esi)
	je found
	add $5, %esi
	jmp find
found:
	jmp *1(%esi)

actions:
	.byte 'o'; .long turn_off
	.byte 'r'; .long reset
	.byte 't'; .long triple_fault
	.byte 'h'; .long halt
	.byte 'l'; .long loop_for_ever
	.byte 'w'; .long write_for_ever
	.byte 'f'; .long flood
	.byte 'a'; .long alternate
	.byte 's'; .long string
	.byte 'm'; .long memory
	.byte 0

turn_off:
	mov $POWER, %dx
	mov $OFF, %al
	out %al, %dx
	jmp halt

reset:
	mov $RESET, %dx
	mov $1, %al
	out %al, %dx
	jmp halt

triple_fault:
	lidt nothing
	ud2

halt:
	hlt
	jmp halt

loop_for_ever:
	jmp loop_for_ever

write_for_ever:
	mov $SCRATCH, %dx
1:	out %al, %dx
	jmp 1b

/* Writes as fast as it can; what was written last is read back. */
flood:
	mov $SCRATCH, %dx
	mov $20000, %ecx
1:	mov %cl, %al
	out %al, %dx
	loop 1b
	in %dx, %al
	cmp $1, %al
	jne say_no
	jmp say_ok

/* Reads what it wrote, each time. */
alternate:
	mov $SCRATCH, %dx
	mov $2000, %ecx
1:	mov %cl, %al
	out %al, %dx
	in %dx, %al
	cmp %cl, %al
	jne say_no
	loop 1b
	jmp say_ok

/* One instruction for many bytes. */
string:
	mov $SERIAL, %dx
	mov $text, %esi
	mov $text_end - text, %ecx
	cld
	rep outsb
	jmp turn_off

/* What nobody has: reads as all ones, in every size, and ignores. */
memory:
	mov $NOBODY, %esi
	movl $0, (%esi)
	cmpl $-1, (%esi)
	jne say_no
	cmpw $-1, 1(%esi)
	jne say_no
	cmpb $-1, 7(%esi)
	jne say_no
	jmp say_ok

say_ok:
	mov $'o', %bl
	mov $'k', %bh
	jmp say
say_no:
	mov $'n', %bl
	mov $'o', %bh
say:
	mov $SERIAL, %dx
	mov %bl, %al
	out %al, %dx
	mov %bh, %al
	out %al, %dx
	jmp turn_off

text:
	.ascii "many at once"
text_end:
	.align 8
nothing:
	.word 0
	.long 0

	.bss
	.skip 256
stack_end:

	.section .note.GNU-stack, "", @progbits
