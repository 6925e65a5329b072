// RUN: %trainc-opt %s --pass-pipeline='builtin.module(trainc-lower-contractions{cpu=znver4})' | FileCheck %s --check-prefix=DOTS
// RUN: %trainc-opt %s --pass-pipeline='builtin.module(trainc-lower-contractions{cpu=sapphirerapids})' | FileCheck %s --check-prefix=TILES
// RUN: %trainc-opt %s --pass-pipeline='builtin.module(trainc-lower-contractions{cpu=x86-64-v4})' | FileCheck %s --check-prefix=WIDE

// Both factors widened from 16 bits: pairs of bfloat16 where the CPU multiplies them, in
// vectors or tiles, otherwise panels of f32 (and for float16 on every CPU), into which rows
// go as well.
// TILES-DAG: func.func private @product.multiply_rows.f32.bf16.tiles.32x2(memref<bf16>, index, index, memref<bf16>, index, memref<f32>, index, index, index, index, index, i1, memref<bf16>)
// TILES-DAG: func.func private @product.pack_columns.f32.bf16.tiles.2(memref<bf16>, index, index, memref<bf16>, index, index, index)
// TILES-DAG: func.func private @product.multiply_rows.f32.f16.{{[0-9x]+}}(memref<f16>, index, index, memref<f32>, index, memref<f32>, index, index, index, index, index, i1, memref<f32>)
// DOTS-DAG: func.func private @product.multiply_rows.f32.bf16.dots.{{[0-9x]+}}(memref<bf16>, index, index, memref<bf16>, index, memref<f32>, index, index, index, index, index, i1)
// DOTS-DAG: func.func private @product.pack_columns.f32.bf16.dots.{{[0-9]+}}(memref<bf16>, index, index, memref<bf16>, index, index, index)
// DOTS-DAG: func.func private @product.multiply_rows.f32.f16.{{[0-9x]+}}(memref<f16>, index, index, memref<f32>, index, memref<f32>, index, index, index, index, index, i1, memref<f32>)
// WIDE-DAG: func.func private @product.multiply_rows.f32.bf16.{{[0-9x]+}}(memref<bf16>, index, index, memref<f32>, index, memref<f32>, index, index, index, index, index, i1, memref<f32>)
// WIDE-DAG: func.func private @product.multiply_rows.f32.f16.{{[0-9x]+}}(memref<f16>, index, index, memref<f32>, index, memref<f32>, index, index, index, index, index, i1, memref<f32>)
#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @bf16(%a: memref<64x96xbf16>, %b: memref<96x128xbf16>, %c: memref<64x128xf32>) {
  linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : memref<64x96xbf16>, memref<96x128xbf16>) outs(%c : memref<64x128xf32>) {
  ^bb0(%x: bf16, %y: bf16, %z: f32):
    %l = arith.extf %x : bf16 to f32
    %r = arith.extf %y : bf16 to f32
    %p = arith.mulf %l, %r : f32
    %s = arith.addf %z, %p : f32
    linalg.yield %s : f32
  }
  return
}
func.func @f16(%a: memref<64x96xf16>, %b: memref<96x128xf16>, %c: memref<64x128xf32>) {
  linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : memref<64x96xf16>, memref<96x128xf16>) outs(%c : memref<64x128xf32>) {
  ^bb0(%x: f16, %y: f16, %z: f32):
    %l = arith.extf %x : f16 to f32
    %r = arith.extf %y : f16 to f32
    %p = arith.mulf %l, %r : f32
    %s = arith.addf %z, %p : f32
    linalg.yield %s : f32
  }
  return
}
