use crate::OracleError;

/// The account's data, if it is as long as the format's and starts with its discriminator.
pub(crate) fn account<'a, const LEN: usize>(
    data: &'a [u8],
    discriminator: &[u8; 8],
) -> Result<&'a [u8; LEN], OracleError> {
    let account: &[u8; LEN] = data.try_into().map_err(|_| OracleError::Length)?;
    match account.starts_with(discriminator) {
        true => Ok(account),
        false => Err(OracleError::Discriminator),
    }
}

/// `N` bytes at `offset`, which the callers' constants keep inside. Numbers in these accounts are not aligned.
#[inline(always)]
pub(crate) fn field<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[offset..offset + N]);
    field
}
