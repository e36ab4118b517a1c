;; The same as a component, a memory in each of three instances: only the process as a whole is
;; bounded then, and what is written to.
(component
  (core module $part (memory 768)
    (func (export "fill") (memory.fill (i32.const 0) (i32.const 1) (i32.const 50331648))))
  (core instance $a (instantiate $part))
  (core instance $b (instantiate $part))
  (core instance $c (instantiate $part))
  (core module $main
    (import "a" "fill" (func $a)) (import "b" "fill" (func $b)) (import "c" "fill" (func $c))
    (func (export "run") (result i32) (call $a) (call $b) (call $c) (i32.const 0)))
  (core instance $main_instance (instantiate $main
    (with "a" (instance $a)) (with "b" (instance $b)) (with "c" (instance $c))))
  (func $run (result (result)) (canon lift (core func $main_instance "run")))
  (instance $out (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $out)))
