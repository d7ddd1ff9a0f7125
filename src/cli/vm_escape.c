#include "cli/vm_escape.h"

#define CTRL_A '\001'

enum vm_escape_wish vm_escape_take(struct vm_escape *escape, const char *typed, size_t count,
	char *passed, size_t *passed_count)
{
	enum vm_escape_wish wish = VM_ESCAPE_NONE;
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		bool is_escaped = escape->is_begun;

		escape->is_begun = !is_escaped && typed[i] == CTRL_A;
		if (escape->is_begun)
			continue;
		if (is_escaped && typed[i] == 'x') {
			wish = VM_ESCAPE_END;
		} else if (is_escaped && typed[i] == 'p') {
			wish = VM_ESCAPE_POWER_BUTTON;
		} else {
			if (is_escaped && typed[i] != CTRL_A)
				passed[kept++] = CTRL_A;
			passed[kept++] = typed[i];
		}
	}
	*passed_count = kept;
	return wish;
}
