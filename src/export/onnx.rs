//! ONNX: the network with its standardisation, from `pixels` to `logits` and `probabilities`.
//!
//! ```text
//! pixels u8 [N, 3, 32, 32] → Cast → Flatten [N, D] → Sub mean → Mul scale → Gemm fc1 → Relu → … → Gemm → logits
//!                                                                                        logits → Softmax → probabilities
//! ```
//!
//! `pixels` are bytes, channel-planar, as in the data set; `N` is dynamic. The metadata `classes` is a JSON list of names in
//! the order of the outputs. Operator set 13, which every runtime since 2020 has.
//!
//! The messages are those of <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>, without unused fields.

use prost::Message;

use crate::records::trained::Trained;
use crate::records::{tensors, weights};

/// `TensorProto.DataType`.
const FLOAT: i32 = 1;
const UINT8: i32 = 2;
/// `AttributeProto.AttributeType.INT`.
const INT: i32 = 2;
/// Version of the file format, from 2020 like the operators.
const IR_VERSION: i64 = 7;
const OPERATORS: i64 = 13;
/// Colours, rows and columns of an image; `D` is their product.
const IMAGE: [i64; 3] = [3, 32, 32];

/// The contents of the file.
pub fn encode(trained: &Trained) -> Vec<u8> {
    let node = |operator: &str, inputs: &[&str], output: &str, attributes: &[(&str, i64)]| Node {
        input: inputs.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        name: output.into(),
        op_type: operator.into(),
        attribute: attributes
            .iter()
            .map(|&(name, value)| Attribute { name: name.into(), i: value, kind: INT })
            .collect(),
    };
    let tensors =
        weights::module_tensors(&trained.params, &trained.standardisation).map(|(name, shape, values)| Tensor {
            dims: shape.iter().map(|&size| (size as u64).cast_signed()).collect(),
            data_type: FLOAT,
            name,
            raw_data: tensors::little_endian(&values),
        });
    let classes = (trained.params.spec.classes as u64).cast_signed();
    let mut nodes = vec![
        node("Cast", &["pixels"], "bytes", &[("to", FLOAT.into())]),
        node("Flatten", &["bytes"], "flat", &[("axis", 1)]),
        node("Sub", &["flat", "mean"], "centred", &[]),
        node("Mul", &["centred", "scale"], "x", &[]),
    ];
    let (mut input, depth) = ("x".to_owned(), trained.params.spec.layers().len());
    for layer in 1..=depth {
        let name = |of: &str| format!("fc{layer}.{of}");
        let z = if layer == depth { "logits".to_owned() } else { format!("z{layer}") };
        nodes.push(node("Gemm", &[&input, &name("weight"), &name("bias")], &z, &[("transB", 1)]));
        if layer < depth {
            input = format!("hidden{layer}");
            nodes.push(node("Relu", &[&z], &input, &[]));
        }
    }
    nodes.push(node("Softmax", &["logits"], "probabilities", &[("axis", 1)]));
    let graph = Graph {
        node: nodes,
        name: "cyclone".into(),
        initializer: tensors.collect(),
        input: vec![Value::new("pixels", UINT8, &IMAGE)],
        output: ["logits", "probabilities"].map(|name| Value::new(name, FLOAT, &[classes])).to_vec(),
    };
    let names = serde_json::Value::from(trained.classes.clone()).to_string();
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![OperatorSet { version: OPERATORS }],
        metadata_props: vec![Entry { key: "classes".into(), value: names }],
    };
    model.encode_to_vec()
}

#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(string, tag = "3")]
    producer_version: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "14")]
    metadata_props: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSet {
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<Value>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "3")]
    i: i64,
    #[prost(int32, tag = "20")]
    kind: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<Type>,
}

impl Value {
    /// `[N, sizes…]`.
    fn new(name: &str, elem_type: i32, sizes: &[i64]) -> Self {
        let free = Dimension { size: Some(Size::Name("N".into())) };
        let fixed = sizes.iter().map(|&size| Dimension { size: Some(Size::Value(size)) });
        let shape = Shape { dim: std::iter::once(free).chain(fixed).collect() };
        let tensor_type = TensorType { elem_type, shape: Some(shape) };
        Self { name: name.into(), kind: Some(Type { tensor_type: Some(tensor_type) }) }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(message, optional, tag = "1")]
    tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorType {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
struct Dimension {
    #[prost(oneof = "Size", tags = "1, 2")]
    size: Option<Size>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Size {
    #[prost(int64, tag = "1")]
    Value(i64),
    #[prost(string, tag = "2")]
    Name(String),
}
