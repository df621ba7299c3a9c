/* Runs a program that may not make memory executable, as MemoryDenyWriteExecute of systemd has it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define SET_MDWE 65
#define REFUSE_EXEC_GAIN 1

int main(int count, char **words) {
  if (count < 2) return 2;
  /* Linux before 6.3 has no such call: then the runtime itself is told to make no code. */
  if (prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) != 0) setenv("BUN_JSC_useJIT", "0", 1);
  execvp(words[1], words + 1);
  perror(words[1]);
  return 2;
}
