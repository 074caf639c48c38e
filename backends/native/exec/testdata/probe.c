// Run inside containers by tests: tries one thing and prints how it ended ("ok" or the error).
#define _GNU_SOURCE
#include <errno.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int Print(const char* name, long result) {
  printf("%s %s\n", name, result >= 0 ? "ok" : strerrorname_np(errno));
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "segv") == 0) {
    *(volatile int*)0 = 1;
  }
  struct clone_args args = {0};
  Print("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -3, 0));
  Print("mount", mount("none", "/", "tmpfs", 0, 0));
  Print("unshare", unshare(CLONE_NEWUSER));
  Print("clone", syscall(SYS_clone, CLONE_NEWUSER, 0, 0, 0, 0));
  Print("clone3", syscall(SYS_clone3, &args, sizeof(args)));
  Print("io_uring", syscall(SYS_io_uring_setup, 1, 0));
  Print("vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
  Print("socket", socket(AF_UNIX, SOCK_STREAM, 0));
  Print("personality", personality(0xffffffff));
  Print("aslr", personality(ADDR_NO_RANDOMIZE));
  Print("chroot", chroot("/"));
  return 0;
}
