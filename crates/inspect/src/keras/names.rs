//! Names of Keras that a configuration may hold: classes and functions that compute, and take no code and no path. From the
//! public interface of Keras 3.15, and what Keras 2 had besides.

use std::{collections::HashSet, sync::LazyLock};

/// Whether this is a class that computes.
pub(super) fn is_class(name: &str) -> bool {
    static SET: LazyLock<HashSet<&str>> = LazyLock::new(|| CLASSES.split_whitespace().collect());
    SET.contains(name)
}

/// Whether this is a function that computes.
pub(super) fn is_function(name: &str) -> bool {
    static SET: LazyLock<HashSet<&str>> = LazyLock::new(|| FUNCTIONS.split_whitespace().collect());
    SET.contains(name)
}

static CLASSES: &str = "
AUC AWQConfig AWQDTypePolicy Abs AbsMaxQuantizer Absolute AbstractRNNCell Accuracy Activation
ActivityRegularization Adadelta Adafactor Adagrad Adam AdamW Adamax AdaptiveAveragePool
AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPool
AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AdditiveAttention AffineTransform All
AllClose AlphaDropout Amax Amin Angle Any Append Arange Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh
Argmax Argmin Argpartition Argsort Array ArraySplit AtrousConvolution2D Attention AugMix AutoContrast
Average AveragePool AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D
BatchNorm BatchNormalization BatchNormalizationV1 BatchNormalizationV2 Bidirectional BinaryAccuracy
BinaryCrossentropy BinaryFocalCrossentropy BinaryIoU Bincount BitwiseAnd BitwiseInvert BitwiseLeftShift
BitwiseNot BitwiseOr BitwiseRightShift BitwiseXor BroadcastTo CDist CTC CTCDecode CTCLoss Cast
CategoricalAccuracy CategoricalCrossentropy CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy
CategoricalHinge CategoryEncoding Cbrt Ceil Celu CenterCrop Cholesky CholeskyInverse Circle Clip Concatenate
ConcordanceCorrelation Conj Conjugate Constant ContrastLimitedAdaptiveHistogramEqualization Conv Conv1D
Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM2DCell
ConvLSTM3D ConvTranspose ConvertToTensor Convolution1D Convolution1DTranspose Convolution2D
Convolution2DTranspose Convolution3D Convolution3DTranspose Copy Corrcoef Correlate Cos Cosh CosineDecay
CosineDecayRestarts CosineSimilarity CountNonzero CropImages Cropping1D Cropping2D Cropping3D Cross CuDNNGRU
CuDNNLSTM Cumprod Cumsum CutMix DTypePolicy DTypePolicyMap Deconvolution2D Deg2rad Dense DepthToSpace
DepthwiseConv DepthwiseConv1D DepthwiseConv2D Det Diag Diagflat Diagonal Dice Diff Digitize Discretization
Discretizer Divide DivideNoNan Dot DotProductAttention Dropout Dsplit Dstack ELU Eig Eigh Einsum EinsumDense
ElasticTransform Elu Embedding EmptyLike Equal Equalization Erf Erfc Erfinv Exp Exp2 ExpandDims Expm1
ExponentialDecay ExtractPatches ExtractSequences F1Score FBetaScore FFT FFT2 FTRL Fabs FalseNegatives
FalsePositives Flatten Flip Fliplr Flipud Float8QuantizationConfig FloatDTypePolicy Floor FloorDivide Fmax
Fmin Fmod Fold Ftrl Full FullLike Functional GPTQConfig GPTQDTypePolicy GRU GRUCell GRUV1 GRUV2 GaussianBlur
GaussianDropout GaussianNoise Gcd Gelu Geomspace GetItem GlobalAveragePooling1D GlobalAveragePooling2D
GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D
GlobalMaxPool3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GlorotNormal GlorotUniform
GlorotUniformV2 Glu Greater GreaterEqual GroupNormalization GroupQueryAttention HSVToRGB HardShrink
HardSigmoid HardSilu HardTanh HashedCrossing Hashing HeNormal HeNormalV2 HeUniform Heaviside Highway Hinge
Histogram Hsplit Hstack Huber Hypot I0 IFFT2 IRFFT ISTFT Identity IdentityInitializer Imag InTopK Inner
Input InputLayer InputSpec Int4DTypePolicy Int4QuantizationConfig Int8QuantizationConfig IntegerLookup Inv
InverseTimeDecay IoU IsIn Isclose Isfinite Isinf Isnan Isneginf Isposinf Isreal KLDivergence Kron L1 L1L2 L2
LSTM LSTMCell LSTMV1 LSTMV2 Lamb LayerNorm LayerNormalization Lcm Ldexp LeakyReLU LeakyRelu LecunNormal
LecunNormalV2 LecunUniform LeftShift Less LessEqual Linspace Lion LocallyConnected1D LocallyConnected2D Log
Log10 Log1p Log2 LogCosh LogCoshError LogSigmoid LogSoftmax Logaddexp Logaddexp2 Logdet LogicalAnd
LogicalNot LogicalOr LogicalXor Logspace Logsumexp LossScaleOptimizer LossScaleOptimizerV3 Lstsq LuFactor
MapCoordinates Masking Matmul MatrixRank Max MaxNorm MaxNumBoundingBoxes MaxPool MaxPool1D MaxPool2D
MaxPool3D MaxPooling1D MaxPooling2D MaxPooling3D Maximum MaxoutDense Mean MeanAbsoluteError
MeanAbsolutePercentageError MeanIoU MeanSquaredError MeanSquaredLogarithmicError Median MelSpectrogram Merge
Meshgrid Min MinMaxNorm Minimum MixUp Mod Model Moments Moveaxis MultiHeadAttention MultiHot MultiOptimizer
Multiply Muon Nadam NanToNum Nanargmax Nanargmin Nancumprod Nancumsum Nanmax Nanmean Nanmedian Nanmin
Nanpercentile Nanprod Nanquantile Nanstd Nansum Nanvar Ndim Negative Network Nextafter NonNeg Nonzero Norm
Normalization Normalize NotEqual OneHot OneHotIoU OneHotMeanIoU Ones OnesLike Orthogonal
OrthogonalInitializer OrthogonalRegularizer Outer PReLU PSNR Pad PadImages PearsonCorrelation
PeepholeLSTMCell Percentile Permute PerspectiveTransform PiecewiseConstantDecay Pinv Pipeline Poisson Polar
Policy PolicyV1 PolynomialDecay Power Precision PrecisionAtRecall Prod Ptp Qr Quantile QuantizationConfig
QuantizedDTypePolicy QuantizedFloat8DTypePolicy R2Score RFFT RGBToGrayscale RGBToHSV RMSNorm
RMSNormalization RMSprop RNN Rad2deg RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip RandomFourierFeatures
RandomGaussianBlur RandomGrayscale RandomHeight RandomHue RandomInvert RandomNormal RandomPerspective
RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation
RandomUniform RandomWidth RandomZoom Ravel ReLU Real Rearrange Recall RecallAtPrecision Reciprocal Relu
Relu6 Repeat RepeatVector Rescaling Reshape Resize Resizing ReversibleEmbedding RightShift Roll
RootMeanSquaredError Rot90 Round Rsqrt SGD SSIM STFT STFTInitializer STFTSpectrogram SVD SaturateCast
ScaleAndTranslate Scatter ScatterUpdate ScheduleFreeAdamW SearchSorted SeedGenerator SegmentMax SegmentMin
SegmentProd SegmentSum Select Selu SensitivityAtSpecificity SeparableConv SeparableConv1D SeparableConv2D
SeparableConvolution1D SeparableConvolution2D Sequential Sigmoid Sign Signbit Silu SimpleRNN SimpleRNNCell
Sin Sinc Sinh Size Slice SliceUpdate Slogdet SobelEdges SoftShrink Softmax Softplus Softsign Solarization
Solve SolveTriangular Sort SpaceToDepth SparseCategoricalAccuracy SparseCategoricalCrossentropy SparsePlus
SparseSigmoid SparseTopKCategoricalAccuracy Sparsemax SpatialDropout1D SpatialDropout2D SpatialDropout3D
SpecificityAtSensitivity SpectralNormalization Split Sqrt Square SquaredHinge Squareplus Squeeze Stack
StackedRNNCells Std StopGradient StringLookup Subtract Sum Swapaxes SyncBatchNormalization Take
TakeAlongAxis Tan Tanh TanhShrink TensorShape Tensordot TextVectorization Threshold ThresholdedReLU Tile
TimeDistributed TimeDistributedDense TopK TopKCategoricalAccuracy Trace Transpose Trapezoid Tril Triu
TrueDivide TrueNegatives TruePositives Trunc TruncatedNormal Tversky TypeSpec Unfold UnifiedGRU UnifiedLSTM Unique
UnitNorm UnitNormalization UnravelIndex Unstack UpSampling1D UpSampling2D UpSampling3D Vander Var
VarianceScaling Vdot View ViewAsComplex ViewAsReal Vsplit Vstack Where ZeroPadding1D ZeroPadding2D
ZeroPadding3D Zeros ZerosLike
";

static FUNCTIONS: &str = "
BCE KLD MAE MAPE MSE MSLE abs absolute acc accuracy adaptive_average_pool adaptive_max_pool add all allclose
amax amin angle any append arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin
argpartition argsort array array_split average average_pool bartlett batch_normalization bce binary_accuracy
binary_crossentropy binary_focal_crossentropy bincount bitwise_and bitwise_invert bitwise_left_shift
bitwise_not bitwise_or bitwise_right_shift bitwise_xor blackman broadcast_to cast categorical_accuracy
categorical_crossentropy categorical_focal_crossentropy categorical_generalized_cross_entropy
categorical_hinge cbrt cdist ceil celu character cholesky cholesky_inverse circle clip concatenate
concordance_correlation conj conjugate conv conv_transpose convert_to_numpy convert_to_tensor copy corrcoef
correlate cos cosh cosine_proximity cosine_similarity count_nonzero cross ctc ctc_decode ctc_loss cumprod
cumsum deg2rad depth_to_space depthwise_conv det diag diagflat diagonal dice diff digitize divide
divide_no_nan dot dot_product_attention dsplit dstack eig eigh einsum elu empty empty_like equal erf erfc
erfinv exp exp2 expand_dims expm1 exponential extract_sequences eye fabs fft fft2 flip fliplr flipud floor
floor_divide fmax fmin fmod fold full full_like gcd gelu geomspace get_item glu greater greater_equal
hamming hanning hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh heaviside hinge histogram hsplit
hstack huber hypot i0 identity ifft2 imag in_top_k inner inv irfft is_tensor isclose isfinite isin isinf
isnan isneginf isposinf isreal istft kaiser kl_divergence kld kron l1 l1_l2 l2 layer_normalization lcm ldexp
leaky_relu left_shift less less_equal linear linspace log log10 log1p log2 log_cosh log_loss log_sigmoid
log_softmax logaddexp logaddexp2 logcosh logdet logical_and logical_not logical_or logical_xor logspace
logsumexp lower lower_and_strip_punctuation lstsq lu_factor mae mape matmul matrix_rank max max_pool maximum
mean mean_absolute_error mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error
median meshgrid min minimum mish mod moments moveaxis mse msle multi_hot multiply nan_to_num nanargmax
nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd
nansum nanvar ndim negative nextafter nonzero norm normalize not_equal one_hot ones ones_like outer pad
pearson_correlation percentile pinv poisson polar power prod psnr ptp qr quantile rad2deg ravel real
rearrange reciprocal relu relu6 repeat reshape rfft right_shift rms_normalization roll rot90 round rsqrt
saturate_cast scatter scatter_update searchsorted segment_max segment_min segment_prod segment_sum select
selu separable_conv shape sigmoid sign signbit silu sin sinc sinh size slice slice_update slogdet
soft_shrink softmax softplus softsign solve solve_triangular sort space_to_depth sparse_categorical_accuracy
sparse_categorical_crossentropy sparse_plus sparse_sigmoid sparse_top_k_categorical_accuracy sparsemax split
sqrt square squared_hinge squareplus squeeze stack std stft stop_gradient strip_punctuation subtract sum svd
swapaxes swish take take_along_axis tan tanh tanh_shrink tensordot threshold tile top_k
top_k_categorical_accuracy trace transpose trapezoid tri tril triu true_divide trunc tversky unfold unique
unravel_index unstack vander var vdot view view_as_complex view_as_real vsplit vstack where whitespace zeros
zeros_like
";
