"""What bench/run and bench/soak are made of.

machine     the CPU the benchmark is pinned to: its cgroup, its speed, who else uses it
process     one child process: its CPU time, its memory, its end
mysql       a minimal client, for sessions that must be counted exactly
server      a throw-away MariaDB
endpoints   direct, HAProxy, the floor, Perilune: all of them reach the same server
scenarios   what is measured, one endpoint at a time
syscalls    the same with strace: counts instead of times
report      medians and ratios as Markdown, and the targets
"""
