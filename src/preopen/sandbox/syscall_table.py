"""Numbers of the system calls that the seccomp policy names. Data, no policy.

Columns: name, x86_64, aarch64. `-` means that the machine lacks the call.
Numbers from 424 on are the same on every machine. `tests/sandbox/kernel_numbers.txt` has them all,
and `reviewed_calls.txt` beside it says of each call that is not here why it may pass.
"""

import functools
from collections.abc import Mapping
from typing import Final

NEWEST: Final = 471  # of the calls that were looked at; the filter knows none above it

REFUSED: Final = """
# new processes and programs (clone: see below)
execve 59 221
execveat 322 281
fork 57 -
vfork 58 -

# acts on another process
kill 62 129
tkill 200 130
rt_sigqueueinfo 129 138
rt_tgsigqueueinfo 297 240
pidfd_open 434 434
pidfd_send_signal 424 424
pidfd_getfd 438 438
ptrace 101 117
process_vm_readv 310 270
process_vm_writev 311 271
process_madvise 440 440
process_mrelease 448 448
kcmp 312 272
get_robust_list 274 100
setpriority 141 140
ioprio_set 251 30
sched_setaffinity 203 122
sched_setparam 142 118
sched_setscheduler 144 119
sched_setattr 314 274
migrate_pages 256 238
move_pages 279 239

# modes, owners and attributes, which Landlock does not know: by path they reach any file
chmod 90 -
fchmodat 268 53
fchmodat2 452 452
chown 92 -
lchown 94 -
fchown 93 55
fchownat 260 54
setxattr 188 5
lsetxattr 189 6
fsetxattr 190 7
setxattrat 463 463
removexattr 197 14
lremovexattr 198 15
fremovexattr 199 16
removexattrat 466 466
file_setattr 469 469
getxattr 191 8
lgetxattr 192 9
getxattrat 464 464
listxattr 194 11
llistxattr 195 12
listxattrat 465 465
file_getattr 468 468

# watching folders, which Landlock does not know either: a watch tells the names in any of them
inotify_add_watch 254 27
fanotify_init 300 262
fanotify_mark 301 263

# System V IPC and POSIX message queues: shared with every process of the user, by guessable names
shmget 29 194
shmat 30 196
shmctl 31 195
shmdt 67 197
semget 64 190
semop 65 193
semtimedop 220 192
semctl 66 191
msgget 68 186
msgsnd 69 189
msgrcv 70 188
msgctl 71 187
mq_open 240 180
mq_unlink 241 181

# mounts and namespaces
mount 165 40
umount2 166 39
pivot_root 155 41
chroot 161 51
open_tree 428 428
open_tree_attr 467 467
move_mount 429 429
fsopen 430 430
fsconfig 431 431
fsmount 432 432
fspick 433 433
mount_setattr 442 442
name_to_handle_at 303 264
open_by_handle_at 304 265
statmount 457 457
listmount 458 458
listns 470 470
unshare 272 97
setns 308 268

# what only a capability opens, and no cell has one: said twice, for the day that it got one
acct 163 89
swapon 167 224
swapoff 168 225
reboot 169 142
kexec_load 246 104
kexec_file_load 320 294
init_module 175 105
finit_module 313 273
delete_module 176 106
settimeofday 164 170
clock_settime 227 112
adjtimex 159 171
clock_adjtime 305 266
sethostname 170 161
setdomainname 171 162
iopl 172 -
ioperm 173 -
vhangup 153 58
quotactl 179 60
quotactl_fd 443 443

# parts of the kernel where its own faults gathered, and of no use to a guest
bpf 321 280
add_key 248 217
request_key 249 218
keyctl 250 219
io_uring_setup 425 425
io_uring_enter 426 426
io_uring_register 427 427
userfaultfd 323 282
perf_event_open 298 241
io_setup 206 0
io_submit 209 2
vmsplice 278 75
memfd_secret 447 447
personality 135 92
modify_ldt 154 -
uselib 134 -
lookup_dcookie 212 18
syslog 103 116
lsm_set_self_attr 460 460
"""

# Refused as well where a cell gets no network: none is made, and none that it holds changes ends.
SOCKETS: Final = """
socket 41 198
connect 42 203
"""

# What serves others: for nobody. Landlock sees a bind, but not a listen that binds by itself.
LISTENING: Final = """
socketpair 53 199
bind 49 200
listen 50 201
accept 43 202
accept4 288 242
"""

# Allowed or refused by their arguments, or answered as unknown.
CONDITIONAL: Final = """
clone 56 220
clone3 435 435
prlimit64 302 261
tgkill 234 131
fchmod 91 52
fcntl 72 25
ioctl 16 29
prctl 157 167
sendto 44 206
sendmsg 46 211
sendmmsg 307 269
socket 41 198
"""

COLUMNS: Final = {"x86_64": 1, "aarch64": 2}


@functools.cache
def read_numbers(table: str, machine: str) -> Mapping[str, int]:
    """Return the numbers of a table's calls on this machine, without those that it lacks."""
    rows = [line.split() for line in table.splitlines() if line and not line.startswith("#")]
    column = COLUMNS[machine]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}
