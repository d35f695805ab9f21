module moorage/toolchain/images

go 1.26.0

tool (
	moorage/toolchain/images/pause
	moorage/toolchain/images/probe
)
