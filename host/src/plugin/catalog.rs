//! The phases that there are: components of one or more folders, loaded once, at start-up.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::future::try_join_all;
use tokio::task::spawn_blocking;

use super::{
    PhaseInfo,
    component::{Loader, Phase, read},
    grants::{Env, Grants, GrantsError, PhaseGrant},
};
use crate::{
    store::{Components, NewComponent, StoreError},
    workflow::{Digest, PhaseName},
};

/// Why the phases cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A folder or file that cannot be read.
    #[error("read {}: {reason}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file that is no usable phase.
    #[error("load phase {}: {reason}", file.display())]
    Phase {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// Two components say that they are the same phase.
    #[error("phase {name} is in two files: {} and {}", first.display(), second.display())]
    Twice {
        /// The name of both.
        name: PhaseName,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// What is in the database.
    #[error("see which phases are in the database: {0}")]
    Absent(StoreError),
    /// One that cannot be put into the database.
    #[error("keep phase {} in the database: {reason}", file.display())]
    Keep {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// What is granted to them.
    #[error(transparent)]
    Grants(#[from] GrantsError),
}

/// The phases that are ready to run.
#[derive(Default)]
pub(super) struct Catalog {
    by_digest: HashMap<Digest, Arc<Phase>>,
    by_name: BTreeMap<PhaseName, (Arc<Phase>, PathBuf)>,
    infos: Arc<BTreeMap<PhaseName, PhaseInfo>>,
    /// Of each folder.
    grants: Vec<Grants>,
}

impl Catalog {
    /// The phases of these folders: every file in them that ends in `.wasm`.
    pub(super) async fn load(
        loader: &Loader,
        folders: &[PathBuf],
        env: Env<'_>,
    ) -> Result<Self, CatalogError> {
        let mut catalog = Self::default();
        let loading = folders.iter().map(|path| folder(loader, path, env));
        for (phases, grants) in try_join_all(loading).await? {
            for (phase, file) in phases {
                catalog.add(phase, file)?;
            }
            catalog.grants.push(grants);
        }
        let infos = catalog.by_name.values().map(|(phase, _)| &phase.info);
        let infos = infos.map(|info| (info.name.clone(), info.clone()));
        catalog.infos = Arc::new(infos.collect());
        Ok(catalog)
    }

    /// Keeps all components in a store, as far as they are not there.
    pub(super) async fn keep(&self, components: &dyn Components) -> Result<(), CatalogError> {
        let digests: Vec<_> = self.by_digest.keys().copied().collect();
        let absent = components.absent_components(&digests).await;
        let absent = absent.map_err(CatalogError::Absent)?;
        let is_absent = |(phase, _): &&(Arc<Phase>, PathBuf)| absent.contains(&phase.info.digest);
        for (phase, file) in self.by_name.values().filter(is_absent) {
            keep(components, &phase.info, file.clone())
                .await
                .map_err(|reason| CatalogError::Keep {
                    file: file.clone(),
                    reason,
                })?;
        }
        Ok(())
    }

    /// The phase that an execution pinned.
    pub(super) fn pinned(&self, digest: Digest) -> Option<&Arc<Phase>> {
        self.by_digest.get(&digest)
    }

    /// The phase that has this name now.
    pub(super) fn named(&self, name: &PhaseName) -> Option<&Arc<Phase>> {
        self.by_name.get(name).map(|(phase, _)| phase)
    }

    /// What any component of this name is granted: what the one in the catalog is; else what
    /// the first folder says that names it, or the first of all.
    pub(super) fn grant(&self, name: &PhaseName) -> PhaseGrant {
        if let Some(phase) = self.named(name) {
            return phase.grant.clone();
        }
        let names_it = self.grants.iter().find(|grants| grants.name(name));
        match names_it.or(self.grants.first()) {
            Some(grants) => grants.of(name),
            None => PhaseGrant::default(),
        }
    }

    /// What all phases say about themselves.
    pub(super) fn infos(&self) -> Arc<BTreeMap<PhaseName, PhaseInfo>> {
        self.infos.clone()
    }

    fn add(&mut self, phase: Phase, file: PathBuf) -> Result<(), CatalogError> {
        let phase = Arc::new(phase);
        self.by_digest.insert(phase.info.digest, phase.clone());
        let name = phase.info.name.clone();
        match self.by_name.insert(name.clone(), (phase, file.clone())) {
            None => Ok(()),
            Some((_, first)) => Err(CatalogError::Twice {
                name,
                first,
                second: file,
            }),
        }
    }
}

/// The phases of a folder with their files, and what they are granted.
async fn folder(
    loader: &Loader,
    folder: &Path,
    env: Env<'_>,
) -> Result<(Vec<(Phase, PathBuf)>, Grants), CatalogError> {
    let grants = Grants::load(folder, env)?;
    let files = components(folder).map_err(|error| CatalogError::Read {
        path: folder.to_owned(),
        reason: error.to_string(),
    })?;
    let phases = try_join_all(files.into_iter().map(async |file| {
        let path = file.clone();
        let phase = loader.phase(move || read(&path), |name| grants.of(name));
        match phase.await {
            Ok(phase) => Ok((phase, file)),
            Err(error) => Err(CatalogError::Phase {
                file,
                reason: error.to_string(),
            }),
        }
    }))
    .await?;
    let names: Vec<_> = phases
        .iter()
        .map(|(phase, _)| phase.info.name.clone())
        .collect();
    grants.check_names(&names)?;
    Ok((phases, grants))
}

async fn keep(components: &dyn Components, info: &PhaseInfo, file: PathBuf) -> Result<(), String> {
    let read = spawn_blocking(move || {
        let data = read(&file)?;
        Ok::<_, String>((Digest::of(&data), data))
    });
    let (digest, data) = read.await.map_err(|error| error.to_string())??;
    if digest != info.digest {
        return Err("it was changed while the host started; start it again".to_owned());
    }
    let component = NewComponent {
        digest,
        name: info.name.clone(),
        version: info.version.clone(),
        data,
    };
    let kept = components.keep_component(&component).await;
    kept.map_err(|error| error.to_string())
}

/// Files that end in `.wasm`, by name.
fn components(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
