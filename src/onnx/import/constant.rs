//! Tensors whose values the file holds: sizes always, values where they are few and may be needed.

use std::rc::Rc;

use tract_onnx::prelude::f16;

use super::messages::{Tensor, attribute_type, data_type};
use super::network::Node;

/// Largest rank of a tensor that is read.
pub const MAX_RANK: usize = 8;
/// Values kept for arithmetic on shapes; longer tensors are weights.
pub const MAX_VALUES: usize = 256;
/// Elements of one tensor of weights: 16 GiB in float32.
const MAX_WEIGHTS: u64 = 1 << 32;

/// A few numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    Integers(Vec<i64>),
    Floats(Vec<f64>),
}

impl Values {
    pub fn integers(&self) -> Option<&[i64]> {
        match self {
            Values::Integers(values) => Some(values),
            Values::Floats(_) => None,
        }
    }

    pub fn floats(&self) -> Vec<f64> {
        match self {
            Values::Integers(values) => values.iter().map(|value| *value as f64).collect(),
            Values::Floats(values) => values.clone(),
        }
    }

    /// A function of each number; sizes are far below where a float64 loses whole numbers.
    pub fn map(&self, function: impl Fn(f64) -> f64) -> Values {
        match self {
            Values::Integers(values) => {
                Values::Integers(values.iter().map(|value| function(*value as f64) as i64).collect())
            }
            Values::Floats(values) => Values::Floats(values.iter().map(|value| function(*value)).collect()),
        }
    }

    /// The numbers at `places`, if all are there.
    pub fn at(&self, places: impl Iterator<Item = usize>) -> Option<Values> {
        Some(match self {
            Values::Integers(all) => {
                Values::Integers(places.map(|place| all.get(place).copied()).collect::<Option<_>>()?)
            }
            Values::Floats(all) => Values::Floats(places.map(|place| all.get(place).copied()).collect::<Option<_>>()?),
        })
    }

    /// A tensor of `dims` whose neighbours along each dimension are `strides` apart here, the first
    /// number standing at `offset`; none where it holds more numbers than are kept.
    pub fn strided(&self, offset: i64, dims: &[u64], strides: &[i64]) -> Option<Values> {
        let count = dims.iter().try_fold(1_u64, |product, dim| product.checked_mul(*dim))?;
        if count > MAX_VALUES as u64 {
            return None;
        }
        let places: Option<Vec<usize>> = (0..count)
            .map(|mut number| {
                let mut place = offset;
                for (dim, stride) in dims.iter().zip(strides).rev() {
                    place += (number % dim) as i64 * stride;
                    number /= dim;
                }
                usize::try_from(place).ok()
            })
            .collect();
        self.at(places?.into_iter())
    }

    pub fn len(&self) -> usize {
        match self {
            Values::Integers(values) => values.len(),
            Values::Floats(values) => values.len(),
        }
    }
}

/// A tensor of the file.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    pub dims: Vec<u64>,
    /// None where there are many, or where they are in another file.
    pub values: Option<Rc<Values>>,
    /// See [`data_type`].
    pub data_type: i32,
    /// Whether the values are in another file.
    pub is_external: bool,
    /// Whether a node holds it and not the list of weights.
    pub in_node: bool,
    /// As the file has it, where it has one with values; its bytes are those of the file.
    pub tensor: Option<Rc<Tensor>>,
}

impl Constant {
    /// Reads sizes, checks them against the bytes there are, and reads values if they are few.
    ///
    /// # Errors
    /// The reason, without the tensor's name.
    pub fn read(tensor: &Tensor, in_node: bool) -> Result<Self, String> {
        let (dims, elements) = checked_dims(&tensor.dims)?;
        let is_external = tensor.data_location == 1;
        let data_type = tensor.data_type;
        if data_type != data_type::STRING && bits(data_type).is_none() {
            return Err(format!("its element type {data_type} is not known; export the model again"));
        }
        let constant = |values| Self { dims, values, data_type, is_external, in_node, tensor: None };
        if is_external {
            return Ok(constant(None));
        }
        check_length(tensor, elements)?;
        let few = elements <= MAX_VALUES as u64;
        Ok(constant(if few { values(tensor, elements as usize).map(Rc::new) } else { None }))
    }
    /// The tensor of a node `Constant`.
    ///
    /// # Errors
    /// When it holds none, or one that [`Constant::read`] refuses.
    pub fn of_node(node: &Node) -> Result<Self, String> {
        let own = |dims: Vec<u64>, values: Values| {
            let data_type = if values.integers().is_some() { data_type::INT64 } else { data_type::FLOAT };
            let kept = values.len() <= MAX_VALUES;
            Constant {
                dims,
                values: kept.then(|| Rc::new(values)),
                data_type,
                is_external: false,
                in_node: true,
                tensor: None,
            }
        };
        if let Some(attribute) = node.attribute("value", attribute_type::TENSOR)? {
            let tensor = attribute.t.as_ref().ok_or("its attribute `value` holds no tensor")?;
            let constant = Constant::read(tensor, true)?;
            return Ok(Constant { tensor: Some(Rc::new((**tensor).clone())), ..constant });
        }
        if let Some(value) = node.int("value_int")? {
            return Ok(own(vec![], Values::Integers(vec![value])));
        }
        if let Some(value) = node.float("value_float")? {
            return Ok(own(vec![], Values::Floats(vec![value])));
        }
        if let Some(values) = node.ints("value_ints")? {
            return Ok(own(vec![values.len() as u64], Values::Integers(values.to_vec())));
        }
        if let Some(values) = node.floats("value_floats")? {
            return Ok(own(
                vec![values.len() as u64],
                Values::Floats(values.iter().map(|value| (*value).into()).collect()),
            ));
        }
        Err("it holds no numbers".to_owned())
    }
}

impl Constant {
    pub fn is_float(&self) -> bool {
        is_float(self.data_type)
    }

    /// All its values as float32.
    ///
    /// # Errors
    /// When they stand in another file, or are no floats of 16 to 64 bits.
    pub fn floats(&self) -> Result<Vec<f32>, String> {
        if self.is_external {
            return Err(
                "its values stand in external data, which is not read; keep them in the file (onnx.save_model \
                        with save_as_external_data=False)"
                    .to_owned(),
            );
        }
        let kind = type_name(self.data_type);
        let refused = || format!("it is of type {kind}, but floats are needed; export the model in float32");
        if let Some(values) = &self.values {
            return Ok(values.floats().into_iter().map(|value| value as f32).collect());
        }
        let tensor = self.tensor.as_deref().ok_or_else(refused)?;
        // Long tensors, without the detour over float64.
        match (tensor.data_type, tensor.raw_data.is_empty()) {
            (data_type::FLOAT, false) => Ok(chunks(&tensor.raw_data, f32::from_le_bytes)),
            (data_type::FLOAT, true) => Ok(tensor.float_data.clone()),
            (kind, _) if is_float(kind) => {
                let elements = self.dims.iter().product::<u64>() as usize;
                let values = values(tensor, elements).ok_or_else(refused)?;
                Ok(values.floats().into_iter().map(|value| value as f32).collect())
            }
            _ => Err(refused()),
        }
    }
}

/// Whether elements are floating-point numbers of 16 bits or more.
pub(super) fn is_float(data_type: i32) -> bool {
    matches!(data_type, data_type::FLOAT | data_type::FLOAT16 | data_type::DOUBLE | data_type::BFLOAT16)
}

/// Whether elements can be weights, or the pixels of an image: floats, or at most 8 bits.
pub(super) fn is_weights(data_type: i32) -> bool {
    is_float(data_type) || (data_type != data_type::BOOL && bits(data_type).is_some_and(|bits| bits <= 8))
}

/// Sizes and the number of elements.
pub(super) fn checked_dims(dims: &[i64]) -> Result<(Vec<u64>, u64), String> {
    let size = |dim: &i64| u64::try_from(*dim).map_err(|_| format!("its dimension {dim} is negative"));
    let sizes: Vec<u64> = dims.iter().map(size).collect::<Result<_, _>>()?;
    let elements = checked_sizes(&sizes)?;
    Ok((sizes, elements))
}

/// The number of elements of a tensor that is no map.
pub(super) fn checked_sizes(dims: &[u64]) -> Result<u64, String> {
    if dims.len() > MAX_RANK {
        return Err(format!("it has {} dimensions, but at most {MAX_RANK} are read", dims.len()));
    }
    // A dimension of nothing does not excuse the others: they are multiplied without it elsewhere.
    dims.iter()
        .try_fold(1_u64, |product, dim| product.checked_mul(*dim.max(&1)).filter(|product| *product <= MAX_WEIGHTS))
        .ok_or_else(|| format!("its dimensions {dims:?} ask for more than {MAX_WEIGHTS} elements"))?;
    Ok(dims.iter().product())
}

/// Whether the values are as many as the sizes say; a file may lie.
fn check_length(tensor: &Tensor, elements: u64) -> Result<(), String> {
    let dims = &tensor.dims;
    if !tensor.raw_data.is_empty() {
        let bits = bits(tensor.data_type).ok_or("it holds strings, whose bytes cannot be counted")?;
        let bytes = (elements * bits).div_ceil(8);
        let found = tensor.raw_data.len() as u64;
        if bytes != found {
            return Err(format!("its dimensions {dims:?} ask for {bytes} bytes of values, but {found} follow"));
        }
        return Ok(());
    }
    let listed = [
        tensor.float_data.len(),
        tensor.int32_data.len(),
        tensor.int64_data.len(),
        tensor.double_data.len(),
        tensor.uint64_data.len(),
    ];
    let found = listed.iter().sum::<usize>() as u64;
    // Strings are not read, and four bits share a number.
    let is_listed = bits(tensor.data_type).is_some_and(|bits| bits >= 8);
    if is_listed && found != elements {
        return Err(format!("its dimensions {dims:?} ask for {elements} values, but {found} follow"));
    }
    Ok(())
}

/// The name of a type of elements.
pub(super) fn type_name(data_type: i32) -> &'static str {
    const NAMES: [&str; 24] = [
        "undefined",
        "float32",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "int32",
        "int64",
        "string",
        "bool",
        "float16",
        "float64",
        "uint32",
        "uint64",
        "complex64",
        "complex128",
        "bfloat16",
        "float8",
        "float8",
        "float8",
        "float8",
        "uint4",
        "int4",
        "float4",
    ];
    usize::try_from(data_type).ok().and_then(|place| NAMES.get(place).copied()).unwrap_or("unknown")
}

/// Bits of an element; none of strings and unknown types.
fn bits(data_type: i32) -> Option<u64> {
    Some(match data_type {
        1 | 6 | 12 => 32,
        2 | 3 | 9 | 17..=20 => 8,
        4 | 5 | 10 | 16 => 16,
        7 | 11 | 13 | 14 => 64,
        15 => 128,
        21..=23 => 4,
        _ => return None,
    })
}

fn values(tensor: &Tensor, elements: usize) -> Option<Values> {
    let raw = &tensor.raw_data;
    if raw.is_empty() {
        return listed(tensor).filter(|values| values.len() == elements);
    }
    Some(match tensor.data_type {
        data_type::FLOAT => Values::Floats(chunks(raw, |bytes| f32::from_le_bytes(bytes).into())),
        data_type::DOUBLE => Values::Floats(chunks(raw, f64::from_le_bytes)),
        data_type::FLOAT16 => Values::Floats(chunks(raw, |bytes| f16::from_bits(u16::from_le_bytes(bytes)).into())),
        data_type::BFLOAT16 => Values::Floats(chunks(raw, |bytes: [u8; 2]| {
            f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16).into()
        })),
        data_type::INT64 => Values::Integers(chunks(raw, i64::from_le_bytes)),
        data_type::INT32 => Values::Integers(chunks(raw, |bytes| i32::from_le_bytes(bytes).into())),
        data_type::INT8 => Values::Integers(chunks(raw, |[byte]: [u8; 1]| (byte as i8).into())),
        data_type::UINT8 | data_type::BOOL => Values::Integers(chunks(raw, |[byte]: [u8; 1]| byte.into())),
        _ => return None,
    })
}

/// Values that are listed one by one instead of as bytes.
fn listed(tensor: &Tensor) -> Option<Values> {
    Some(match tensor.data_type {
        data_type::FLOAT => Values::Floats(tensor.float_data.iter().map(|value| (*value).into()).collect()),
        data_type::DOUBLE => Values::Floats(tensor.double_data.clone()),
        data_type::FLOAT16 => {
            Values::Floats(tensor.int32_data.iter().map(|bits| f16::from_bits(*bits as u16).into()).collect())
        }
        data_type::INT64 => Values::Integers(tensor.int64_data.clone()),
        data_type::INT32 | data_type::INT8 | data_type::UINT8 | data_type::BOOL => {
            Values::Integers(tensor.int32_data.iter().map(|value| (*value).into()).collect())
        }
        _ => return None,
    })
}

fn chunks<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| number(*chunk)).collect()
}

/// Distances between neighbours along each dimension of a tensor of `dims`.
pub(super) fn strides(dims: &[u64]) -> Vec<i64> {
    let mut strides = vec![1; dims.len()];
    for place in (1..dims.len()).rev() {
        strides[place - 1] = dims[place].saturating_mul(strides[place] as u64).min(MAX_WEIGHTS) as i64;
    }
    strides
}
