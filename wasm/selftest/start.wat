;; Computes for a second and a half in its start function, before anything was called.
(module
  (import "wasi_snapshot_preview1" "clock_time_get"
    (func $now (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (func $time (result i64)
    (drop (call $now (i32.const 1) (i64.const 1000) (i32.const 0))) (i64.load (i32.const 0)))
  (func $busy (local $begin i64) (local $round i32)
    (local.set $begin (call $time))
    (loop $again
      (local.set $round (i32.const 0))
      (loop $step
        (local.set $round (i32.add (local.get $round) (i32.const 1)))
        (br_if $step (i32.lt_u (local.get $round) (i32.const 1000000))))
      (br_if $again
        (i64.lt_u (i64.sub (call $time) (local.get $begin)) (i64.const 1500000000)))))
  (start $busy)
  (func (export "_start")))
