;; Three memories of 48 MiB: each fits under a limit of 64 MiB, all together do not.
(module
  (memory (export "memory") 768) (memory 768) (memory 768)
  (func (export "_start")
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 50331648))
    (memory.fill 1 (i32.const 0) (i32.const 1) (i32.const 50331648))
    (memory.fill 2 (i32.const 0) (i32.const 1) (i32.const 50331648))))
