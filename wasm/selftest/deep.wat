;; Forty thousand calls, one within another: more than 512 KiB of stack, less than 2 MiB.
(module
  (memory (export "memory") 1)
  (func $down (param i32)
    (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "_start") (call $down (i32.const 40000))))
