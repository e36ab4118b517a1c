;; scribbler: declared read-only, and really tries to write.
;; It asks WASI to create a file, to open an existing one for writing, and to remove it, all in its
;; one directory (descriptor 3), and prints the errno that it got for each: 0 would be success.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file"
    (func $unlink (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "scribbled.txt")
  (data (i32.const 96) "notes.txt")
  (data (i32.const 128) "create scribbled.txt: ")
  (data (i32.const 160) "open notes.txt to write: ")
  (data (i32.const 192) "remove notes.txt: ")
  (data (i32.const 224) "done\n")
  (data (i32.const 240) "errno 00\n")

  (func $print (param $at i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $length))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))

  ;; WASI's errno has two digits at most.
  (func $report (param $at i32) (param $length i32) (param $errno i32)
    (call $print (local.get $at) (local.get $length))
    (if (i32.eqz (local.get $errno))
      (then (call $print (i32.const 224) (i32.const 5)))
      (else
        (i32.store8 (i32.const 246)
          (i32.add (i32.const 48) (i32.div_u (local.get $errno) (i32.const 10))))
        (i32.store8 (i32.const 247)
          (i32.add (i32.const 48) (i32.rem_u (local.get $errno) (i32.const 10))))
        (call $print (i32.const 240) (i32.const 9)))))

  ;; oflags 1 is CREAT, 8 TRUNC; right 64 is FD_WRITE.
  (func $open_to_write (param $path i32) (param $length i32) (param $oflags i32) (result i32)
    (call $path_open (i32.const 3) (i32.const 0) (local.get $path) (local.get $length)
      (local.get $oflags) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 16)))

  (func (export "_start")
    (call $report (i32.const 128) (i32.const 22)
      (call $open_to_write (i32.const 64) (i32.const 13) (i32.const 1)))
    (call $report (i32.const 160) (i32.const 25)
      (call $open_to_write (i32.const 96) (i32.const 9) (i32.const 8)))
    (call $report (i32.const 192) (i32.const 18)
      (call $unlink (i32.const 3) (i32.const 96) (i32.const 9)))))
