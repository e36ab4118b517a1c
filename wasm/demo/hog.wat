;; hog: takes memory, a mebibyte at a time, until it is refused; then it says how far it got, and fails.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 16)
  (data (i32.const 64) "memory.grow was refused at 00 MiB\n")

  (func $digit (param $at i32) (param $number i32)
    (i32.store8 (local.get $at)
      (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10)))))

  (func (export "_start")
    (local $mebibytes i32)
    (block $refused
      (loop $more
        (br_if $refused (i32.eq (memory.grow (i32.const 16)) (i32.const -1)))
        ;; Touched, so that it is memory and no mere promise.
        (i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)) (i32.const 1))
        (br $more)))
    (local.set $mebibytes (i32.div_u (memory.size) (i32.const 16)))
    ;; Two digits will do: its manifest's limit is 32 MiB.
    (call $digit (i32.const 91) (i32.div_u (local.get $mebibytes) (i32.const 10)))
    (call $digit (i32.const 92) (local.get $mebibytes))
    (i32.store (i32.const 0) (i32.const 64))
    (i32.store (i32.const 4) (i32.const 34))
    (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $exit (i32.const 1))))
